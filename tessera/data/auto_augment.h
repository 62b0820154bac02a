#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

namespace tessera::data {

/// The operations that AutoAugment (Cubuk et al., CVPR 2019) chooses among, as Pillow computes
/// them on eight-bit RGB.
enum class Operation {
  kShearX,
  kShearY,
  kTranslateX,
  kTranslateY,
  kRotate,
  kColor,
  kPosterize,
  kSolarize,
  kContrast,
  kSharpness,
  kBrightness,
  kAutoContrast,
  kEqualize,
  kInvert,
};

/// An operation with the probability that it is done and its strength of 0 … 9.
struct PolicyStep {
  Operation operation;
  double probability;
  int64_t level;
};
using SubPolicy = std::array<PolicyStep, 2>;

/// The 25 sub-policies found for CIFAR-10, in the paper's order (its table 7).
const std::array<SubPolicy, 25>& cifar10_policy();

/// The strength that a level stands for: radians of shear, part of the side, degrees, change of a
/// factor, bits kept or threshold, by operation; 0 for operations without one.
double magnitude(Operation operation, int64_t level);

/// image (3, H, W) uint8 → the same shape. `strength`: magnitude(), negative where a direction or a
/// factor goes the other way. Uncovered pixels are grey, 128. Shears interpolate bicubically,
/// translations and rotations (about the centre, counterclockwise) take the nearest pixel.
at::Tensor transformed(const at::Tensor& image, Operation operation, double strength);

/// One sub-policy of the 25, drawn at random, with its probabilities and signs, from `seed`. All
/// but posterize, solarize, rotate and those without strength have either sign, as in the CIFAR
/// training code in wide use.
at::Tensor auto_augmented(const at::Tensor& image, uint64_t seed);

}  // namespace tessera::data
