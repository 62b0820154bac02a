#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace tessera::data {

/// What is done to each training image, in this order.
struct Augmentation {
  int64_t crop_padding = 0;   ///< pixels of zeros on each side, then a crop of the image's own size
  bool flip = false;          ///< left and right change places in half of the images
  bool auto_augment = false;  ///< AutoAugment's policy for CIFAR-10 (auto_augment.h)
  int64_t cutout = 0;         ///< side of the square that is set to zero; 0: none
};

/// images (B, C, H, W) uint8, C = 3 for auto_augment → the same shape. Image i depends on its
/// pixels and seeds[i] alone; each step draws from a stream of its own name ("crop", "flip",
/// "auto_augment", "cutout"), so that one step more changes no draw of another. One image is one
/// thread's work. Throws InvalidArgument on another shape or dtype.
at::Tensor augment(const at::Tensor& images, const Augmentation& how,
                   std::span<const uint64_t> seeds);

/// The seeds of a batch's images, from the batch's generator.
std::vector<uint64_t> draw_seeds(at::Generator generator, int64_t count);

/// augment() with seeds from the generator.
at::Tensor augment(const at::Tensor& images, const Augmentation& how, at::Generator generator);

/// The crop of the image at (dy, dx), zeros where it reaches outside: content moves by (−dy, −dx).
/// image: (C, H, W).
at::Tensor shifted(const at::Tensor& image, int64_t dy, int64_t dx);

/// The square of `side` pixels around (y, x), as far as it lies in the image, set to zero: rows
/// y − ⌊side/2⌋ … y + ⌊side/2⌋ − 1, columns alike. image: (C, H, W), changed in place.
void cut_out(at::Tensor image, int64_t y, int64_t x, int64_t side);

/// A part of the image (C, H, W) uint8 resized to size × size, by the rule of the ImageNet recipes:
/// 8 to 100 % of the area, sides in a ratio of 3:4 to 4:3; where ten draws do not fit, the middle.
at::Tensor random_resized_crop(const at::Tensor& image, int64_t size, uint64_t seed);

/// The part that random_resized_crop takes of a height × width image.
struct Part {
  int64_t top, left, height, width;
};
Part random_part(int64_t height, int64_t width, uint64_t seed);

/// Ten crops of size × size of (B, C, S, S) → (B, 10, C, size, size): top left, bottom right,
/// bottom left, top right and centre, then the same five of the flipped image. `last`: the offset
/// of the crops at the far side, S − size for all of the image. A model's outputs are summed over
/// the ten. Throws InvalidArgument where a crop does not fit.
at::Tensor ten_crops(const at::Tensor& images, int64_t size, int64_t last);

/// The fifth of them: at last/2, half a pixel to the even side. → (B, C, size, size)
at::Tensor middle_crop(const at::Tensor& images, int64_t size, int64_t last);

}  // namespace tessera::data
