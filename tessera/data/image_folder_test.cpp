#include "tessera/data/image_folder.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tessera/core/error.h"
#include "tessera/io/file.h"
#include "tessera/io/temporary_folder.h"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

std::string corpus(const std::string& name) {
  return io::read_text(std::string(TESSERA_SOURCE_DIR) + "/tests/fuzz/corpus/" + name);
}

/// Pictures by their paths below a folder, each a copy of a file of the corpus.
class Folder {
 public:
  void add(const std::string& path, const std::string& picture = "png/ok_rgb") const {
    const fs::path place = fs::path(folder_.path()) / path;
    fs::create_directories(place.parent_path());
    io::write_atomically(place.string(), std::string_view(corpus(picture)));
  }
  const std::string& path() const { return folder_.path(); }

 private:
  io::TemporaryFolder folder_;
};

TEST(ImageFolder, classes_and_pictures_are_sorted_by_name_and_others_passed_over) {
  const Folder folder;
  folder.add("10/b.png");
  folder.add("2/a.JPG", "jpeg/ok_colour");
  folder.add("10/sub/a.jpeg", "jpeg/ok_grey");
  folder.add("10/a.png");
  folder.add("10/notes.txt");
  folder.add("10/.hidden.png");
  folder.add(".cache/a.png");
  folder.add("readme.png");
  const ImageFolder images(folder.path());
  EXPECT_EQ(images.class_names(), (std::vector<std::string>{"10", "2"}));
  ASSERT_EQ(images.size(), 4);
  EXPECT_TRUE(images.file(0).ends_with("10/a.png"));
  EXPECT_TRUE(images.file(1).ends_with("10/b.png"));
  EXPECT_TRUE(images.file(2).ends_with("10/sub/a.jpeg"));
  EXPECT_EQ(images.label(2), 0);
  EXPECT_EQ(images.label(3), 1);
  const LabelledImages set = images.load({.height = 4, .width = 6});
  EXPECT_EQ(set.images.sizes(), (at::IntArrayRef{4, 3, 4, 6}));
  EXPECT_TRUE(at::equal(set.labels, at::tensor({0, 0, 0, 1}, at::kLong)));
  EXPECT_EQ(set.num_classes, 2);
}

TEST(ImageFolder, a_picture_is_channels_of_rows) {
  const Folder folder;
  folder.add("a.png");
  const at::Tensor image = read_image(folder.path() + "/a.png");
  // Both rows hold the numbers 0 … 5: two pixels of red, green, blue.
  EXPECT_TRUE(at::equal(
      image,
      at::tensor({0, 3, 0, 3, 1, 4, 1, 4, 2, 5, 2, 5}, at::kLong).to(at::kByte).view({3, 2, 2})));
}

TEST(ImageFolder, a_picture_is_told_by_its_bytes_not_its_name) {
  const Folder folder;
  folder.add("a.jpg", "png/ok_rgb");
  EXPECT_NO_THROW(read_image(folder.path() + "/a.jpg"));
  folder.add("b.png", "idx/ok_images");
  EXPECT_THROW(read_image(folder.path() + "/b.png"), BadFile);
  folder.add("c.png", "png/T-PNG-05_cut");
  EXPECT_THROW(read_image(folder.path() + "/c.png"), BadFile);
}

TEST(ImageFolder, the_folders_of_a_set_must_agree) {
  const Folder folder;
  folder.add("train/a/1.png");
  folder.add("train/b/1.png");
  folder.add("val/a/1.png");
  const ImageFit fit{.height = 2, .width = 2};
  EXPECT_THROW(load_image_folders(folder.path(), fit), BadFile);
  folder.add("val/b/1.png");
  const ImageData data = load_image_folders(folder.path(), fit);
  EXPECT_EQ(data.train.size(), 2);
  EXPECT_EQ(data.test.size(), 2);
  EXPECT_EQ(data.class_names, (std::vector<std::string>{"a", "b"}));
}

TEST(ImageFolder, what_is_no_folder_of_classes_is_refused) {
  const Folder folder;
  EXPECT_THROW(ImageFolder(folder.path() + "/missing"), Io);
  EXPECT_THROW(ImageFolder(folder.path()), BadFile);
  fs::create_directories(folder.path() + "/empty");
  EXPECT_THROW(ImageFolder(folder.path()), BadFile);
  folder.add("empty/a.png");
  EXPECT_NO_THROW(ImageFolder(folder.path()));
  EXPECT_THROW(ImageFolder(folder.path()).load({.height = 8, .width = 8}, 191), InvalidArgument);
}

TEST(ImageFit, the_middle_is_cut_from_the_picture_at_its_shorter_side) {
  const at::Tensor wide = at::arange(10, at::kLong).to(at::kByte).mul(10).expand({3, 4, 10});
  const at::Tensor crop =
      fitted(wide.contiguous(),
             {.kind = ImageFit::Kind::kCentreCrop, .height = 4, .width = 3, .shorter_side = 4});
  // (10 − 3)/2 = 3.5 rounds to the even 4.
  EXPECT_TRUE(at::equal(crop[0][0], at::tensor({40, 50, 60}, at::kLong).to(at::kByte)));
  EXPECT_THROW(
      fitted(wide.contiguous(),
             {.kind = ImageFit::Kind::kCentreCrop, .height = 5, .width = 3, .shorter_side = 4}),
      InvalidArgument);
}

TEST(ImageFit, shrinking_averages_and_nearest_picks) {
  const at::Tensor image = at::tensor({0, 100, 200, 100, 0, 100, 200, 100}, at::kLong)
                               .to(at::kByte)
                               .view({1, 2, 4})
                               .repeat({3, 1, 1});
  const at::Tensor nearest =
      fitted(image, {.kind = ImageFit::Kind::kNearest, .height = 1, .width = 2});
  EXPECT_TRUE(at::equal(nearest[0][0], at::tensor({0, 200}, at::kLong).to(at::kByte)));
  const at::Tensor mean = fitted(image, {.height = 1, .width = 2});
  // Triangles of two pixels to each side: (3·0 + 3·100 + 1·200)/7, and its mirror image.
  EXPECT_NEAR(mean[0][0][0].item<int>(), 71, 1);
  EXPECT_NEAR(mean[0][0][1].item<int>(), 143, 1);
}

}  // namespace
}  // namespace tessera::data
