#include "tessera/data/augment.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tessera/core/error.h"
#include "tessera/data/auto_augment.h"

namespace tessera::data {
namespace {

/// (1, rows, columns) of the numbers in reading order.
at::Tensor plane(std::vector<int64_t> values, int64_t columns) {
  return at::tensor(values, at::kLong).to(at::kByte).view({1, -1, columns});
}
/// A grey picture of three equal channels.
at::Tensor grey(std::vector<int64_t> values, int64_t columns) {
  return plane(std::move(values), columns).repeat({3, 1, 1});
}
at::Tensor numbered(int64_t count, int64_t channels, int64_t side) {
  return at::arange(count * channels * side * side, at::kLong)
      .mul(37)
      .remainder(251)
      .to(at::kByte)
      .view({count, channels, side, side});
}
at::Generator seeded(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

TEST(Shifted, cuts_where_asked_and_fills_with_zeros) {
  const at::Tensor image = plane({1, 2, 3, 4, 5, 6, 7, 8, 9}, 3);
  EXPECT_TRUE(at::equal(shifted(image, 1, 0), plane({4, 5, 6, 7, 8, 9, 0, 0, 0}, 3)));
  EXPECT_TRUE(at::equal(shifted(image, -1, 2), plane({0, 0, 0, 3, 0, 0, 6, 0, 0}, 3)));
  EXPECT_TRUE(at::equal(shifted(image, 0, 0), image));
  EXPECT_TRUE(at::equal(shifted(image, 3, 0), at::zeros_like(image)));
}

TEST(CutOut, the_square_is_clipped_at_the_border) {
  const at::Tensor image = at::ones({2, 4, 4}, at::kByte);
  cut_out(image, 0, 3, 4);  // rows −2 … 1, columns 1 … 4
  EXPECT_TRUE(at::equal(image[1], plane({1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1}, 4)[0]));
  const at::Tensor other = at::ones({1, 4, 4}, at::kByte);
  cut_out(other, 2, 1, 2);
  EXPECT_TRUE(at::equal(other, plane({1, 1, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1}, 4)));
}

TEST(Augment, an_image_depends_on_its_pixels_and_seed_alone) {
  const Augmentation how{.crop_padding = 2, .flip = true, .auto_augment = true, .cutout = 4};
  const at::Tensor images = numbered(40, 3, 8);
  const std::vector<uint64_t> seeds = draw_seeds(seeded(5), 40);
  const at::Tensor all = augment(images, how, seeds);
  EXPECT_FALSE(at::equal(all, images));
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  EXPECT_TRUE(at::equal(all, augment(images, how, seeds)));
  at::set_num_threads(before);
  for (const size_t i : {0, 17, 39}) {
    const auto index = static_cast<int64_t>(i);
    EXPECT_TRUE(at::equal(all[index], augment(images.narrow(0, index, 1), how, {&seeds[i], 1})[0]));
  }
  EXPECT_TRUE(at::equal(all, augment(images, how, seeded(5))));
  EXPECT_FALSE(at::equal(all, augment(images, how, seeded(6))));
}

TEST(Augment, one_step_more_changes_no_draw_of_another) {
  const at::Tensor images = numbered(30, 1, 8);
  const std::vector<uint64_t> seeds = draw_seeds(seeded(1), 30);
  const at::Tensor flipped = augment(images, {.flip = true}, seeds);
  const at::Tensor both = augment(images, {.flip = true, .cutout = 4}, seeds);
  EXPECT_FALSE(at::equal(flipped, both));
  // Where cutout left a pixel, it is the flipped image's.
  EXPECT_TRUE(both.eq(flipped).logical_or(both.eq(0)).all().item<bool>());
}

TEST(Augment, flips_half_and_crops_everywhere_within_the_padding) {
  const int64_t count = 4000;
  const at::Tensor image = plane({1, 2, 3, 4, 5, 6, 7, 8, 9}, 3);
  const at::Tensor images = image.unsqueeze(0).expand({count, 1, 3, 3}).contiguous();
  const at::Tensor flipped = augment(images, {.flip = true}, seeded(2));
  const int64_t flips = flipped.eq(image.flip({2})).all(3).all(2).sum().item<int64_t>();
  EXPECT_NEAR(static_cast<double>(flips), 2000, 130);  // four standard deviations
  std::map<std::pair<int64_t, int64_t>, int64_t> places;
  const at::Tensor cropped = augment(images, {.crop_padding = 1}, seeded(3));
  for (int64_t dy = -1; dy <= 1; ++dy) {
    for (int64_t dx = -1; dx <= 1; ++dx) {
      const int64_t found =
          cropped.eq(shifted(image, dy, dx)).flatten(1).all(1).sum().item<int64_t>();
      EXPECT_NEAR(static_cast<double>(found), 4000.0 / 9, 80) << dy << " " << dx;
    }
  }
}

TEST(Augment, what_does_not_fit_is_refused) {
  EXPECT_THROW(augment(at::zeros({2, 3, 4, 4}), {}, seeded(0)), InvalidArgument);
  EXPECT_THROW(augment(numbered(2, 1, 4), {.auto_augment = true}, seeded(0)), InvalidArgument);
  const std::vector<uint64_t> one = {1};
  EXPECT_THROW(augment(numbered(2, 1, 4), {}, one), InvalidArgument);
  EXPECT_THROW(ten_crops(numbered(1, 1, 4), 3, 2), InvalidArgument);
}

TEST(RandomResizedCrop, parts_lie_inside_with_the_shapes_of_the_rule) {
  double smallest = 1, largest = 0;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    const Part part = random_part(120, 160, seed);
    ASSERT_TRUE(part.top >= 0 && part.left >= 0 && part.top + part.height <= 120 &&
                part.left + part.width <= 160);
    const double area = static_cast<double>(part.height * part.width) / (120 * 160);
    const double ratio = static_cast<double>(part.width) / static_cast<double>(part.height);
    ASSERT_GT(ratio, 0.72);
    ASSERT_LT(ratio, 1.38);
    smallest = std::min(smallest, area);
    largest = std::max(largest, area);
  }
  EXPECT_NEAR(smallest, 0.08, 0.01);
  EXPECT_GT(largest, 0.95);
  // Nothing of the rule fits here but the middle at 4:3.
  const Part strip = random_part(1, 1000, 5);
  EXPECT_EQ(strip.height, 1);
  EXPECT_EQ(strip.width, 1);
  EXPECT_EQ(strip.left, 499);
}

TEST(RandomResizedCrop, resizes_its_part) {
  const at::Tensor image = numbered(1, 3, 20)[0];
  const at::Tensor crop = random_resized_crop(image, 12, 3);
  EXPECT_EQ(crop.sizes(), (at::IntArrayRef{3, 12, 12}));
  EXPECT_TRUE(at::equal(crop, random_resized_crop(image, 12, 3)));
  EXPECT_FALSE(at::equal(crop, random_resized_crop(image, 12, 4)));
  const at::Tensor flat = at::full({3, 9, 9}, 77, at::kByte);
  EXPECT_TRUE(at::equal(random_resized_crop(flat, 5, 1), at::full({3, 5, 5}, 77, at::kByte)));
}

TEST(TenCrops, are_the_corners_and_the_middle_of_an_image_and_its_mirror_image) {
  const at::Tensor images = numbered(2, 3, 8);
  const at::Tensor crops = ten_crops(images, 4, 3);
  EXPECT_EQ(crops.sizes(), (at::IntArrayRef{2, 10, 3, 4, 4}));
  const auto crop = [](const at::Tensor& of, const std::pair<int64_t, int64_t>& place) {
    return of.narrow(2, place.first, 4).narrow(3, place.second, 4);
  };
  const std::vector<std::pair<int64_t, int64_t>> places = {{0, 0}, {3, 3}, {3, 0}, {0, 3}, {2, 2}};
  for (size_t i = 0; i < places.size(); ++i) {
    const auto k = static_cast<int64_t>(i);
    EXPECT_TRUE(at::equal(crops.select(1, k), crop(images, places[i]))) << i;
    // The image is flipped, then cut: of an image of 8 at 3, columns 1 to 4.
    EXPECT_TRUE(at::equal(crops.select(1, k + 5), crop(images.flip({3}), places[i]))) << i;
  }
  EXPECT_TRUE(at::equal(middle_crop(images, 4, 3), crop(images, places[4])));
  // 256 pixels, crops of 224, far side at 31: the middle is at 15.5, which rounds to 16.
  const at::Tensor large = at::arange(256, at::kLong).to(at::kByte).view({1, 1, 1, 256});
  const at::Tensor square = large.expand({1, 1, 256, 256});
  EXPECT_EQ(ten_crops(square, 224, 31)[0][4][0][0][0].item<int>(), 16);
  EXPECT_EQ(ten_crops(square, 224, 32)[0][4][0][0][0].item<int>(), 16);
  EXPECT_EQ(ten_crops(square, 224, 29)[0][4][0][0][0].item<int>(), 14);
}

// ---- AutoAugment: results computed by hand
// -----------------------------------------------------------

TEST(AutoAugment, levels_stand_for_the_published_strengths) {
  EXPECT_DOUBLE_EQ(magnitude(Operation::kShearX, 9), 0.3);
  EXPECT_DOUBLE_EQ(magnitude(Operation::kTranslateY, 9), 150.0 / 331);
  EXPECT_DOUBLE_EQ(magnitude(Operation::kRotate, 3), 10);
  EXPECT_DOUBLE_EQ(magnitude(Operation::kColor, 5), 0.5);
  EXPECT_DOUBLE_EQ(magnitude(Operation::kSolarize, 0), 256);
  EXPECT_DOUBLE_EQ(magnitude(Operation::kSolarize, 9), 0);
  std::vector<double> bits;
  for (int64_t level = 0; level < 10; ++level) {
    bits.push_back(magnitude(Operation::kPosterize, level));
  }
  EXPECT_EQ(bits, (std::vector<double>{8, 8, 7, 7, 6, 6, 5, 5, 4, 4}));
}

TEST(AutoAugment, level_operations_are_tables) {
  const at::Tensor image = grey({0, 7, 100, 128, 200, 255}, 3);
  const auto expect = [&](Operation operation, double strength, std::vector<int64_t> values) {
    EXPECT_TRUE(at::equal(transformed(image, operation, strength), grey(std::move(values), 3)))
        << static_cast<int>(operation) << "\n"
        << transformed(image, operation, strength)[0];
  };
  expect(Operation::kInvert, 0, {255, 248, 155, 127, 55, 0});
  expect(Operation::kSolarize, 128, {0, 7, 100, 127, 55, 0});
  expect(Operation::kPosterize, 4, {0, 0, 96, 128, 192, 240});
  expect(Operation::kPosterize, 8, {0, 7, 100, 128, 200, 255});
  expect(Operation::kBrightness, -0.5, {0, 3, 50, 64, 100, 127});
  expect(Operation::kBrightness, 0.5, {0, 10, 150, 192, 255, 255});
  // The mean is 115: 115 + ½(v − 115), towards zero.
  expect(Operation::kContrast, -0.5, {57, 61, 107, 121, 157, 185});
}

TEST(AutoAugment, contrast_spreads_each_channel_over_all_levels) {
  at::Tensor image = grey({50, 100, 100, 150}, 2);
  image[2].fill_(9);  // a flat channel stays
  const at::Tensor spread = transformed(image, Operation::kAutoContrast, 0);
  EXPECT_TRUE(at::equal(spread[0], plane({0, 127, 127, 255}, 2)[0]));
  EXPECT_TRUE(at::equal(spread[2], image[2]));
}

TEST(AutoAugment, equalising_gives_each_level_its_share) {
  // 510 pixels of 10, 255 of 20, 255 of 30: a step is (1020 − 255)/255 = 3 pixels a level, and a
  // level's value is the number of pixels below it, plus 1, over 3.
  at::Tensor row = at::empty({1, 1020}, at::kByte);
  row.narrow(1, 0, 510).fill_(10);
  row.narrow(1, 510, 255).fill_(20);
  row.narrow(1, 765, 255).fill_(30);
  const at::Tensor image = row.unsqueeze(0).repeat({3, 1, 1});
  const at::Tensor equal = transformed(image, Operation::kEqualize, 0)[0][0];
  EXPECT_EQ(equal[0].item<int>(), 0);
  EXPECT_EQ(equal[510].item<int>(), 170);
  EXPECT_EQ(equal[765].item<int>(), 255);
  const at::Tensor flat = grey({5, 5, 5, 5}, 2);
  EXPECT_TRUE(at::equal(transformed(flat, Operation::kEqualize, 0), flat));
}

TEST(AutoAugment, colour_moves_between_grey_and_twice_the_colour) {
  const at::Tensor image = at::tensor({200, 100, 50}, at::kLong).to(at::kByte).view({3, 1, 1});
  // Luma: (200·19595 + 100·38470 + 50·7471 + 32768) / 65536 = 124.7…
  EXPECT_TRUE(at::equal(transformed(image, Operation::kColor, -1).flatten(),
                        at::tensor({124, 124, 124}, at::kLong).to(at::kByte)));
  EXPECT_TRUE(at::equal(transformed(image, Operation::kColor, 0.5).flatten(),
                        at::tensor({238, 88, 13}, at::kLong).to(at::kByte)));
}

TEST(AutoAugment, sharpness_leaves_the_border_and_weighs_the_middle_by_five) {
  at::Tensor image = grey({10, 10, 10, 10, 140, 10, 10, 10, 10}, 3);
  // (8·10 + 5·140) / 13 = 60
  at::Tensor smooth = image.clone();
  smooth.select(1, 1).select(1, 1).fill_(60);
  EXPECT_TRUE(at::equal(transformed(image, Operation::kSharpness, -1), smooth));
  smooth.select(1, 1).select(1, 1).fill_(180);
  EXPECT_TRUE(at::equal(transformed(image, Operation::kSharpness, 0.5), smooth));
}

TEST(AutoAugment, translations_take_the_nearest_pixel_and_fill_with_grey) {
  const at::Tensor image = grey({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, 4);
  // A quarter of four pixels is one; 0.4 of four is 1.6, of which the nearest is two.
  EXPECT_TRUE(at::equal(transformed(image, Operation::kTranslateX, 0.25),
                        grey({2, 3, 4, 128, 6, 7, 8, 128, 10, 11, 12, 128, 14, 15, 16, 128}, 4)));
  EXPECT_TRUE(at::equal(transformed(image, Operation::kTranslateY, -0.4),
                        grey({128, 128, 128, 128, 128, 128, 128, 128, 1, 2, 3, 4, 5, 6, 7, 8}, 4)));
}

TEST(AutoAugment, rotation_is_about_the_centre_and_counterclockwise) {
  const at::Tensor image = grey({1, 2, 3, 4, 5, 6, 7, 8, 9}, 3);
  EXPECT_TRUE(at::equal(transformed(image, Operation::kRotate, 0), image));
  EXPECT_TRUE(
      at::equal(transformed(image, Operation::kRotate, 90), grey({3, 6, 9, 2, 5, 8, 1, 4, 7}, 3)));
  const at::Tensor turned = transformed(at::full({3, 9, 9}, 7, at::kByte), Operation::kRotate, 30);
  EXPECT_EQ(turned[0][0][0].item<int>(), 128);
  EXPECT_EQ(turned[0][4][4].item<int>(), 7);
}

TEST(AutoAugment, shears_move_rows_by_their_height_and_interpolate) {
  const at::Tensor image = grey({10, 20, 30, 40, 10, 20, 30, 40}, 4);
  EXPECT_TRUE(at::equal(transformed(image, Operation::kShearX, 0), image));
  // A shear of 2: the rows, whose middles are at ½ and 1½, move by one and by three pixels.
  EXPECT_TRUE(at::equal(transformed(image, Operation::kShearX, 2),
                        grey({20, 30, 40, 128, 40, 128, 128, 128}, 4)));
  // A shear of 1 moves the first row by half a pixel: between 20 and 30, (−10 + 5·20 + 5·30 −
  // 40)/8.
  EXPECT_EQ(transformed(image, Operation::kShearX, 1)[0][0][1].item<int>(), 25);
  const at::Tensor columns = image.transpose(1, 2).contiguous();
  EXPECT_TRUE(at::equal(transformed(columns, Operation::kShearY, 2),
                        transformed(image, Operation::kShearX, 2).transpose(1, 2)));
}

TEST(AutoAugment, all_sub_policies_come_up_and_a_seed_is_a_result) {
  ASSERT_EQ(cifar10_policy().size(), 25u);
  for (const SubPolicy& sub : cifar10_policy()) {
    for (const PolicyStep& step : sub) {
      EXPECT_GE(step.probability, 0);
      EXPECT_LE(step.probability, 1);
      EXPECT_GE(step.level, 0);
      EXPECT_LE(step.level, 9);
    }
  }
  const at::Tensor image = numbered(1, 3, 32)[0];
  EXPECT_TRUE(at::equal(auto_augmented(image, 4), auto_augmented(image, 4)));
  int64_t unchanged = 0;
  for (uint64_t seed = 0; seed < 400; ++seed) {
    unchanged += at::equal(auto_augmented(image, seed), image) ? 1 : 0;
  }
  // Both steps are left out with a probability of 0.19 on the mean over the sub-policies;
  // equalising and spreading change little of this picture, so that some more stay.
  EXPECT_GT(unchanged, 40);
  EXPECT_LT(unchanged, 200);
}

}  // namespace
}  // namespace tessera::data
