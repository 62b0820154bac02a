#include "tessera/data/labelled_images.h"

#include <ATen/ATen.h>

#include <cstring>
#include <filesystem>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/io/file.h"
#include "tessera/io/tensor_file.h"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kCifarSide = 32, kCifarClasses = 10;
constexpr int64_t kCifarRecord = 1 + 3 * kCifarSide * kCifarSide;
// The official files have 10,000 records; ten times that is no CIFAR file.
constexpr size_t kMaxCifarBytes = 100000 * static_cast<size_t>(kCifarRecord);

/// The first folder that holds `file`, plain or gzipped.
std::string find(const std::vector<std::string>& folders, const std::string& file,
                 const std::string& set) {
  for (const std::string& folder : folders) {
    for (const char* ending : {"", ".gz"}) {
      const fs::path path = fs::path(folder) / (file + ending);
      if (fs::is_regular_file(path)) return path.string();
    }
  }
  fail<Io>({.where = set,
            .rule = "no " + file + " in " + join(folders, ", "),
            .next = "Put the official files there, or name their folder with --data.",
            .id = "T-IMG-01"});
}

[[noreturn]] void refuse(const std::string& path, const std::string& rule, const std::string& got) {
  fail<BadFile>({.where = "images", .rule = path + ": " + rule, .got = got, .id = "T-IMG-02"});
}

}  // namespace

LabelledImages LabelledImages::first(int64_t count) const {
  const int64_t n = std::min(count, size());
  return {images.narrow(0, 0, n), labels.narrow(0, 0, n), num_classes};
}

LabelledImages LabelledImages::select(const at::Tensor& index) const {
  return {images.index_select(0, index), labels.index_select(0, index), num_classes};
}

LabelledImages load_idx_images(const std::string& name, bool is_train, const std::string& root) {
  const bool is_fashion = name == "fashion_mnist";
  std::vector<std::string> folders{root + (is_fashion ? "/fashion-mnist" : "/mnist")};
  if (is_fashion) folders.emplace_back("/usr/share/datasets/fashion-mnist");
  const std::string part = is_train ? "train" : "t10k";
  const std::string images_path = find(folders, part + "-images-idx3-ubyte", name);
  const std::string labels_path = find(folders, part + "-labels-idx1-ubyte", name);
  const at::Tensor images = io::read_idx(images_path), labels = io::read_idx(labels_path);
  if (images.dim() != 3 || images.scalar_type() != at::kByte) {
    refuse(images_path, "images are bytes (N, rows, columns)",
           c10::str(images.scalar_type(), " ", images.sizes()));
  }
  if (labels.dim() != 1 || labels.scalar_type() != at::kByte || labels.size(0) != images.size(0)) {
    refuse(labels_path, "there is a byte for each of " + std::to_string(images.size(0)) + " images",
           c10::str(labels.scalar_type(), " ", labels.sizes()));
  }
  const at::Tensor classes = labels.to(at::kLong);
  if (classes.numel() > 0 && classes.max().item<int64_t>() > 9) {
    refuse(labels_path, "classes lie in [0, 10)", std::to_string(classes.max().item<int64_t>()));
  }
  return {images.unsqueeze(1), classes, 10};
}

LabelledImages load_cifar10_images(bool is_train, const std::string& root) {
  const std::vector<std::string> folders{root + "/cifar10", root + "/cifar10/cifar-10-batches-bin",
                                         root + "/cifar-10-batches-bin"};
  std::vector<std::string> files{"test_batch.bin"};
  if (is_train) {
    files.clear();
    for (int64_t i = 1; i <= 5; ++i) files.push_back("data_batch_" + std::to_string(i) + ".bin");
  }
  std::vector<at::Tensor> images, labels;
  for (const std::string& file : files) {
    const std::string path = find(folders, file, "cifar10");
    const io::MappedFile mapped(path);
    const size_t size = mapped.bytes().size();
    if (size == 0 || size > kMaxCifarBytes || size % kCifarRecord != 0) {
      refuse(path, "records of " + std::to_string(kCifarRecord) + " bytes fill the file",
             std::to_string(size) + " bytes");
    }
    const auto count = static_cast<int64_t>(size) / kCifarRecord;
    const at::Tensor records = at::empty({count, kCifarRecord}, at::kByte);
    std::memcpy(records.mutable_data_ptr(), mapped.bytes().data(), size);
    labels.push_back(records.select(1, 0).to(at::kLong));
    if (labels.back().max().item<int64_t>() >= kCifarClasses) {
      refuse(path, "classes lie in [0, 10)", std::to_string(labels.back().max().item<int64_t>()));
    }
    images.push_back(records.narrow(1, 1, kCifarRecord - 1)
                         .contiguous()
                         .view({count, 3, kCifarSide, kCifarSide}));
  }
  return {at::cat(images), at::cat(labels), kCifarClasses};
}

}  // namespace tessera::data
