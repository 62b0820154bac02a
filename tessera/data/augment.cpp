#include "tessera/data/augment.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <utility>

#include "tessera/core/error.h"
#include "tessera/data/auto_augment.h"
#include "tessera/data/dice.h"

namespace tessera::data {
namespace {

void check(const at::Tensor& images, const Augmentation& how, size_t seeds) {
  const bool fits = images.dim() == 4 && images.scalar_type() == at::kByte && images.is_cpu() &&
                    (!how.auto_augment || images.size(1) == 3);
  if (!fits) {
    fail<InvalidArgument>({.where = "augment",
                           .rule = how.auto_augment ? "images are bytes (B, 3, H, W) on the CPU"
                                                    : "images are bytes (B, C, H, W) on the CPU",
                           .got = c10::str(images.scalar_type(), " ", images.sizes()),
                           .id = "T-AUG-01"});
  }
  if (static_cast<int64_t>(seeds) != images.size(0)) {
    fail<InvalidArgument>(
        {.where = "augment",
         .rule = "there is a seed for each of " + std::to_string(images.size(0)) + " images",
         .got = std::to_string(seeds),
         .id = "T-AUG-02"});
  }
}

void check_crops(const at::Tensor& images, int64_t size, int64_t last) {
  const bool fits = images.dim() == 4 && size > 0 && last >= 0 &&
                    last + size <= std::min(images.size(2), images.size(3));
  if (fits) return;
  fail<InvalidArgument>({.where = "ten_crops",
                         .rule = "crops of " + std::to_string(size) + " at offsets up to " +
                                 std::to_string(last) + " lie in images (B, C, S, S)",
                         .got = c10::str(images.sizes()),
                         .id = "T-AUG-03"});
}

at::Tensor augment_one(at::Tensor image, const Augmentation& how, uint64_t seed) {
  if (how.crop_padding > 0) {
    Dice dice(seed, "crop");
    const int64_t places = 2 * how.crop_padding + 1;
    const int64_t dy = dice.below(places) - how.crop_padding;
    image = shifted(image, dy, dice.below(places) - how.crop_padding);
  }
  if (how.flip && Dice(seed, "flip").is_heads()) image = image.flip({2});
  if (how.auto_augment) image = auto_augmented(image, seed);
  if (how.cutout > 0) {
    Dice dice(seed, "cutout");
    image = image.clone();
    const int64_t y = dice.below(image.size(1));
    cut_out(image, y, dice.below(image.size(2)), how.cutout);
  }
  return image;
}

}  // namespace

at::Tensor augment(const at::Tensor& images, const Augmentation& how,
                   std::span<const uint64_t> seeds) {
  check(images, how, seeds.size());
  const at::Tensor out = at::empty(images.sizes(), images.options());
  at::parallel_for(0, images.size(0), /*grain_size=*/8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      out[i].copy_(augment_one(images[i], how, seeds[static_cast<size_t>(i)]));
    }
  });
  return out;
}

std::vector<uint64_t> draw_seeds(at::Generator generator, int64_t count) {
  // One number of the generator, whatever the batch: the images' draws are their own.
  const at::Tensor base =
      at::randint(std::numeric_limits<int64_t>::max(), {1}, std::move(generator), at::kLong);
  Dice dice(static_cast<uint64_t>(base.item<int64_t>()), "images");
  std::vector<uint64_t> seeds(static_cast<size_t>(count));
  std::ranges::generate(seeds, [&] { return dice.next(); });
  return seeds;
}

at::Tensor augment(const at::Tensor& images, const Augmentation& how, at::Generator generator) {
  return augment(images, how, draw_seeds(std::move(generator), images.size(0)));
}

at::Tensor shifted(const at::Tensor& image, int64_t dy, int64_t dx) {
  const at::Tensor out = at::zeros_like(image);
  const int64_t rows = image.size(1) - std::abs(dy), columns = image.size(2) - std::abs(dx);
  if (rows <= 0 || columns <= 0) return out;
  const auto part = [&](const at::Tensor& of, int64_t y, int64_t x) {
    return of.narrow(1, y, rows).narrow(2, x, columns);
  };
  part(out, std::max<int64_t>(-dy, 0), std::max<int64_t>(-dx, 0))
      .copy_(part(image, std::max<int64_t>(dy, 0), std::max<int64_t>(dx, 0)));
  return out;
}

void cut_out(at::Tensor image, int64_t y, int64_t x, int64_t side) {
  const auto inside = [&](int64_t middle, int64_t size) {
    const int64_t begin = std::clamp<int64_t>(middle - side / 2, 0, size);
    return std::pair{begin, std::clamp<int64_t>(middle + side / 2, 0, size) - begin};
  };
  const auto [top, rows] = inside(y, image.size(1));
  const auto [left, columns] = inside(x, image.size(2));
  image.narrow(1, top, rows).narrow(2, left, columns).zero_();
}

Part random_part(int64_t height, int64_t width, uint64_t seed) {
  constexpr int kTries = 10;
  constexpr double kSmallest = 0.08, kFlattest = 3.0 / 4, kTallest = 4.0 / 3;
  const auto rows = static_cast<double>(height), columns = static_cast<double>(width);
  Dice dice(seed, "resized_crop");
  for (int i = 0; i < kTries; ++i) {
    const double area = rows * columns * (kSmallest + (1 - kSmallest) * dice.uniform());
    const double span = std::log(kTallest / kFlattest);
    const double ratio = kFlattest * std::exp(span * dice.uniform());  // width over height
    const auto w = static_cast<int64_t>(std::nearbyint(std::sqrt(area * ratio)));
    const auto h = static_cast<int64_t>(std::nearbyint(std::sqrt(area / ratio)));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const int64_t top = dice.below(height - h + 1);
    return {top, dice.below(width - w + 1), h, w};
  }
  // A long image: as much of its middle as has an allowed shape.
  const double ratio = std::clamp(columns / rows, kFlattest, kTallest);
  const auto h = std::min(height, static_cast<int64_t>(std::nearbyint(columns / ratio)));
  const auto w = std::min(width, static_cast<int64_t>(std::nearbyint(rows * ratio)));
  return {(height - h) / 2, (width - w) / 2, h, w};
}

at::Tensor random_resized_crop(const at::Tensor& image, int64_t size, uint64_t seed) {
  const Part part = random_part(image.size(1), image.size(2), seed);
  const at::Tensor crop =
      image.narrow(1, part.top, part.height).narrow(2, part.left, part.width).contiguous();
  return at::_upsample_bilinear2d_aa(crop.unsqueeze(0), {size, size}, /*align_corners=*/false)
      .squeeze(0);
}

at::Tensor ten_crops(const at::Tensor& images, int64_t size, int64_t last) {
  check_crops(images, size, last);
  std::vector<at::Tensor> crops;
  for (const at::Tensor& side : {images, images.flip({3})}) {
    for (const auto& [y, x] :
         {std::pair{int64_t{0}, int64_t{0}}, {last, last}, {last, 0}, {0, last}}) {
      crops.push_back(side.narrow(2, y, size).narrow(3, x, size));
    }
    crops.push_back(middle_crop(side, size, last));
  }
  return at::stack(crops, 1);
}

at::Tensor middle_crop(const at::Tensor& images, int64_t size, int64_t last) {
  check_crops(images, size, last);
  const int64_t middle = last / 2 + (last % 2 == 1 && last / 2 % 2 == 1 ? 1 : 0);
  return images.narrow(2, middle, size).narrow(3, middle, size);
}

}  // namespace tessera::data
