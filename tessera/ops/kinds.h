#pragma once

namespace tessera::ops {

/// The pointwise functions that the fused operators know. LeakyReLU's slope is 0.2.
enum class Activation { kSilu, kRelu, kLeakyRelu };

inline constexpr double kLeakySlope = 0.2;

/// How a coordinate difference is scaled before it carries the message's weight.
enum class CoordNorm {
  kNone,     ///< x_i - x_j
  kUnit,     ///< divided by ‖x_i - x_j‖ + 1e-8, the norm taken as a constant by the gradient
  kPlusOne,  ///< divided by ‖x_i - x_j‖ + 1; the derivative at coincident nodes is defined as 0
};

inline constexpr double kUnitNormEpsilon = 1e-8;

}  // namespace tessera::ops
