#include "tessera/data/pictures.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tessera/core/error.h"
#include "tessera/data/picture_folder_test.h"

namespace tessera::data {
namespace {

at::Tensor picture(int64_t height, int64_t width, int64_t step) {
  return at::arange(3 * height * width, at::kLong)
      .mul(step)
      .remainder(256)
      .to(at::kByte)
      .view({3, height, width});
}

std::vector<PictureFile> three_files(const PictureFolder& folder) {
  std::vector<PictureFile> files;
  for (int64_t i = 0; i < 3; ++i) {
    const std::string name = std::to_string(i) + ".png";
    folder.write(name, png_of(picture(5 + i, 7, 3 + i)));
    files.push_back({folder.path() + "/" + name, 2 - i});
  }
  return files;
}

const ImageFit kFit{.kind = ImageFit::Kind::kCubic, .height = 4, .width = 6};
constexpr int64_t kBytes = 3 * 4 * 6;

SpareBytes spare(int64_t bytes) { return std::make_shared<std::atomic<int64_t>>(bytes); }

TEST(Pictures, are_read_as_they_are_loaded) {
  const PictureFolder folder;
  const std::vector<PictureFile> files = three_files(folder);
  EXPECT_TRUE(at::equal(read_image(files[1].path), picture(6, 7, 4)));
  const LabelledImages all = load_pictures(files, 3, kFit);
  for (const int64_t bytes : {int64_t{0}, 3 * kBytes}) {
    const Pictures set(files, kFit, spare(bytes));
    ASSERT_EQ(set.size(), 3);
    for (int64_t i = 0; i < 6; ++i) {
      EXPECT_TRUE(at::equal(set.read(i % 3), all.images[i % 3])) << i;
      EXPECT_EQ(set.label(i % 3), all.labels[i % 3].item<int64_t>());
    }
  }
}

TEST(Pictures, the_first_that_fit_stay_in_memory_those_of_all_sets_together) {
  const PictureFolder folder;
  const std::vector<PictureFile> files = three_files(folder);
  const SpareBytes bytes = spare(2 * kBytes + 1);
  const Pictures one(files, kFit, bytes), other(files, kFit, bytes);
  const at::Tensor first = one.read(2);
  other.read(0);
  one.read(1);
  EXPECT_EQ(*bytes, 1);
  for (const PictureFile& file : files) std::filesystem::remove(file.path);
  EXPECT_TRUE(at::equal(one.read(2), first));
  EXPECT_NO_THROW(other.read(0));
  EXPECT_THROW(one.read(1), Io);
  EXPECT_THROW(one.read(0), Io);
}

TEST(Pictures, are_resized_with_cubic_weights) {
  const at::Tensor edge = at::tensor({0, 0, 160, 160}, at::kLong).to(at::kByte).view({1, 1, 4});
  const ImageFit wider{.kind = ImageFit::Kind::kCubic, .height = 1, .width = 8};
  const at::Tensor row = fitted(edge.expand({3, 1, 4}).contiguous(), wider)[0][0];
  // Keys' kernel with a = −½ at distances of ¼, ¾, 1¼ and 1¾ pixels.
  const auto keys = [](double x) {
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : ((-0.5 * x + 2.5) * x - 4) * x + 2;
  };
  const double middle = 160 * (keys(0.75) + keys(1.75));
  EXPECT_NEAR(row[3].item<int>(), middle, 1);
  EXPECT_NEAR(row[4].item<int>(), 160 - middle, 1);
  EXPECT_NE(
      fitted(edge.expand({3, 1, 4}).contiguous(), {.height = 1, .width = 8})[0][0][3].item<int>(),
      row[3].item<int>());
}

}  // namespace
}  // namespace tessera::data
