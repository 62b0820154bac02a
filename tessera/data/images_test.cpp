#include "tessera/data/images.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tessera/core/error.h"
#include "tessera/data/cifar.h"
#include "tessera/data/mnist.h"
#include "tessera/io/file.h"
#include "tessera/io/temporary_folder.h"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

template <class E, class Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  }
  return "no such error";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string idx(std::initializer_list<uint8_t> sizes, const std::string& data, char type = 8) {
  std::string bytes = {0, 0, type, static_cast<char>(sizes.size())};
  for (const uint8_t size : sizes) bytes += std::string({0, 0, 0, static_cast<char>(size)});
  return bytes + data;
}

/// A folder in MNIST's layout: 3 + 1 images of 1 × 2 pixels.
void write_small(const std::string& folder) {
  fs::create_directories(folder);
  io::write_atomically(folder + "/train-images-idx3-ubyte", idx({3, 1, 2}, "abcdef"));
  io::write_atomically(folder + "/train-labels-idx1-ubyte", idx({3}, std::string("\0\x9\x1", 3)));
  io::write_atomically(folder + "/t10k-images-idx3-ubyte", idx({1, 1, 2}, "yz"));
  io::write_atomically(folder + "/t10k-labels-idx1-ubyte", idx({1}, "\x5"));
}

TEST(Mnist, reads_plain_files) {
  const io::TemporaryFolder folder;
  write_small(folder / "mnist");
  const ImageData data = load_images("mnist", folder.path());
  EXPECT_EQ(data.train.images.sizes(), (at::IntArrayRef{3, 1, 1, 2}));
  EXPECT_EQ(data.train.images[2][0][0][1].item<int>(), 'f');
  EXPECT_TRUE(at::equal(data.train.labels, at::tensor({0, 9, 1}, at::kLong)));
  EXPECT_EQ(data.test.size(), 1);
  EXPECT_EQ(data.class_names.size(), 10u);
}

TEST(Mnist, fashion_has_a_folder_and_names_of_its_own) {
  const io::TemporaryFolder folder;
  write_small(folder / "fashion-mnist");
  EXPECT_EQ(load_images("fashion_mnist", folder.path()).class_names[9], "Ankle boot");
}

TEST(Mnist, files_that_break_the_layout_are_refused) {
  const io::TemporaryFolder folder;
  const std::string images = folder / "train-images-idx3-ubyte";
  const std::string labels = folder / "train-labels-idx1-ubyte";
  const auto complaint = [&] {
    return message_of<BadFile>([&] { read_mnist_folder(folder.path()); });
  };
  write_small(folder.path());
  io::write_atomically(images, idx({3, 2}, "abcdef"));
  EXPECT_TRUE(has(complaint(), "T-MNIST-02"));
  io::write_atomically(images, idx({3, 1, 1}, "abcdef", 0x0b));
  EXPECT_TRUE(has(complaint(), "T-MNIST-02"));
  io::write_atomically(images, idx({3, 1, 2}, "abcdef"));
  io::write_atomically(labels, idx({2}, "ab"));
  EXPECT_TRUE(has(complaint(), "do not belong together"));
  io::write_atomically(labels, idx({3}, "\1\2\x0a"));
  EXPECT_TRUE(has(complaint(), "classes 0..9, but got 10"));
  fs::remove(labels);
  const std::string missing = message_of<Io>([&] { read_mnist_folder(folder.path()); });
  EXPECT_TRUE(has(missing, "data get mnist")) << missing;
}

TEST(Mnist, the_subset_is_balanced_and_ships_with_the_library) {
  const ImageData data = load_images("subset", "/nowhere");
  EXPECT_EQ(data.train.images.sizes(), (at::IntArrayRef{2400, 1, 28, 28}));
  EXPECT_EQ(data.test.size(), 600);
  EXPECT_TRUE(at::bincount(data.train.labels).eq(240).all().item<bool>());
  EXPECT_TRUE(at::bincount(data.test.labels).eq(60).all().item<bool>());
}

TEST(Mnist, the_real_files_hold_what_the_subset_was_taken_from) {
  const char* root = std::getenv("TESSERA_DATA");
  if (root == nullptr || !fs::exists(std::string(root) + "/mnist")) {
    GTEST_SKIP() << "TESSERA_DATA/mnist is missing";
  }
  const ImageData data = load_images("mnist", root), subset = load_mnist_subset();
  EXPECT_EQ(data.train.size(), 60000);
  EXPECT_EQ(data.test.size(), 10000);
  for (int64_t digit = 0; digit < 10; ++digit) {
    const auto of = [&](const LabelledImages& set) {
      return set.images.index({set.labels == digit}).narrow(0, 0, 60);
    };
    EXPECT_TRUE(at::equal(of(data.train), of(subset.train))) << digit;
    EXPECT_TRUE(at::equal(of(data.test), of(subset.test))) << digit;
  }
}

TEST(Mnist, a_split_is_read_without_the_other) {
  const io::TemporaryFolder folder;
  write_small(folder / "mnist");
  fs::remove(folder / "mnist/train-images-idx3-ubyte");
  const LabelledImages test = load_idx_images("mnist", false, folder.path());
  EXPECT_EQ(test.images.sizes(), (at::IntArrayRef{1, 1, 1, 2}));
  EXPECT_EQ(test.num_classes, 10);
  EXPECT_THROW(load_idx_images("mnist", true, folder.path()), Io);
  EXPECT_TRUE(
      has(message_of<InvalidArgument>([&] { load_idx_images("cifar10", true, folder.path()); }),
          "T-IMAGE-02"));
}

TEST(LabelledImages, parts_keep_images_and_labels_together) {
  const io::TemporaryFolder folder;
  write_small(folder / "mnist");
  const LabelledImages set = load_images("mnist", folder.path()).train;
  EXPECT_EQ(set.first(9).size(), 3);
  EXPECT_TRUE(at::equal(set.first(2).labels, at::tensor({0, 9}, at::kLong)));
  const LabelledImages some = set.select(at::tensor({2, 0}, at::kLong));
  EXPECT_TRUE(at::equal(some.labels, at::tensor({1, 0}, at::kLong)));
  EXPECT_EQ(some.images[0][0][0][0].item<int>(), 'e');
  EXPECT_EQ(some.num_classes, 10);
}

/// `records` records of `labels` bytes that count up and pixels of one value.
std::string cifar_file(size_t records, size_t labels, char value) {
  const size_t size = labels + 3072;
  std::string bytes(records * size, value);
  for (size_t r = 0; r < records; ++r) bytes[r * size + labels - 1] = static_cast<char>(r % 10);
  bytes[labels + 1024] = '\x7f';  // the first green pixel
  return bytes;
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

void write_cifar10(const std::string& folder, size_t records) {
  fs::create_directories(folder);
  for (int k = 1; k <= 5; ++k) {
    write_file(folder + "/data_batch_" + std::to_string(k) + ".bin",
               cifar_file(records, 1, static_cast<char>(k)));
  }
  write_file(folder + "/test_batch.bin", cifar_file(records, 1, 6));
}

TEST(Cifar10, reads_the_official_files_from_a_folder) {
  const io::TemporaryFolder folder;
  write_cifar10(folder / "cifar10", 10000);
  const ImageData data = load_images("cifar10", folder.path());
  EXPECT_EQ(data.train.images.sizes(), (at::IntArrayRef{50000, 3, 32, 32}));
  EXPECT_EQ(data.train.images[20000][1][0][0].item<int>(), 0x7f);
  EXPECT_EQ(data.train.images[49999][2][31][31].item<int>(), 5);
  EXPECT_EQ(data.test.images[0][0][0][0].item<int>(), 6);
  EXPECT_EQ(data.train.labels[40007].item<int>(), 7);
  EXPECT_EQ(data.train.num_classes, 10);
  EXPECT_EQ(data.class_names[9], "truck");
}

TEST(Cifar10, is_found_in_each_of_its_folders_and_a_split_alone) {
  for (const char* place : {"cifar10", "cifar10/cifar-10-batches-bin", "cifar-10-batches-bin"}) {
    const io::TemporaryFolder folder;
    write_cifar10(folder / place, 3);
    fs::remove(folder / (std::string(place) + "/data_batch_1.bin"));
    EXPECT_EQ(load_cifar10_images(false, folder.path()).size(), 3) << place;
    EXPECT_THROW(load_cifar10_images(true, folder.path()), Io) << place;
  }
}

TEST(Cifar10, files_that_break_the_layout_are_refused) {
  const io::TemporaryFolder folder;
  const auto complaint = [&] { return message_of<BadFile>([&] { read_cifar10(folder.path()); }); };
  write_cifar10(folder.path(), 4);
  write_file(folder / "batches.meta.txt", "cat\ndog\n");
  EXPECT_TRUE(has(complaint(), "10 classes, but got 2"));
  std::string bytes = cifar_file(4, 1, 3);
  bytes[3073] = 10;
  write_file(folder / "data_batch_3.bin", bytes);
  EXPECT_TRUE(has(complaint(), "record 1 must have a class 0..9, but got 10"));
  for (const size_t size : {size_t{0}, size_t{3072}, size_t{10001} * 3073}) {
    write_file(folder / "data_batch_2.bin", std::string(size, '\0'));
    EXPECT_TRUE(has(complaint(), "T-CIFAR-01")) << size;
  }
  EXPECT_TRUE(has(message_of<Io>([] { load_cifar10("/nowhere"); }), "data get cifar10"));
}

TEST(Cifar100, has_the_fine_label_behind_the_coarse_one) {
  const io::TemporaryFolder folder;
  fs::create_directories(folder / "cifar100");
  std::string train = cifar_file(12, 2, 1);
  train[0] = 19;  // the first record's coarse label
  train[1] = 99;
  write_file(folder / "cifar100/train.bin", train);
  write_file(folder / "cifar100/test.bin", cifar_file(2, 2, 2));
  const ImageData data = load_images("cifar100", folder.path());
  EXPECT_EQ(data.train.labels[0].item<int>(), 99);
  EXPECT_EQ(data.train.labels[11].item<int>(), 1);
  EXPECT_EQ(data.train.images[0][1][0][0].item<int>(), 0x7f);
  EXPECT_EQ(data.test.size(), 2);
  EXPECT_EQ(data.train.num_classes, 100);
  EXPECT_EQ(data.class_names.size(), 100u);
  train[1] = 100;
  write_file(folder / "cifar100/train.bin", train);
  EXPECT_THROW(load_images("cifar100", folder.path()), BadFile);
}

TEST(Images, an_unknown_set_is_refused) {
  EXPECT_TRUE(has(message_of<InvalidArgument>([] { load_images("svhn", ""); }), "cifar10"));
}

}  // namespace
}  // namespace tessera::data
