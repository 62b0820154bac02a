#include "tessera/data/image_folder.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "tessera/core/error.h"
#include "tessera/data/picture_folder_test.h"
#include "tessera/data/pictures.h"

namespace tessera::data {
namespace {

using Folder = PictureFolder;

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
  const std::vector<PictureFile>& files = images.files();
  ASSERT_EQ(files.size(), 4u);
  EXPECT_TRUE(files[0].path.ends_with("10/a.png"));
  EXPECT_TRUE(files[1].path.ends_with("10/b.png"));
  EXPECT_TRUE(files[2].path.ends_with("10/sub/a.jpeg"));
  EXPECT_EQ(files[2].label, 0);
  EXPECT_EQ(files[3].label, 1);
  const LabelledImages set = load_pictures(files, 2, {.height = 4, .width = 6});
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

TEST(ImageFolder, what_is_no_folder_of_classes_is_refused) {
  const Folder folder;
  EXPECT_THROW(ImageFolder(folder.path() + "/missing"), Io);
  EXPECT_THROW(ImageFolder(folder.path()), BadFile);
  std::filesystem::create_directories(folder.path() + "/empty");
  EXPECT_THROW(ImageFolder(folder.path()), BadFile);
  folder.add("empty/a.png");
  EXPECT_NO_THROW(ImageFolder(folder.path()));
  const std::vector<PictureFile> files = ImageFolder(folder.path()).files();
  EXPECT_THROW(load_pictures(files, 1, {.height = 8, .width = 8}, 191), InvalidArgument);
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
