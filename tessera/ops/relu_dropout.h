#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace tessera::ops {

/// relu(x) with a share p of its elements zeroed and the others divided by 1 − p, in one pass.
/// Which elements are kept is a function of the seed and the element's place alone (Philox 4×32,
/// 10 rounds): the same on every device and at every number of threads, so a caller draws a seed a
/// step from its own stream. The gradient needs the result only: no mask is kept.
/// Float and double are fused, other dtypes run plain. Differentiable, any number of times.
/// Throws InvalidArgument: p outside [0, 1).
at::Tensor relu_dropout(const at::Tensor& x, double p, int64_t seed);

/// The same composed of ATen operators: fallback, truth and shape rule.
at::Tensor relu_dropout_plain(const at::Tensor& x, double p, int64_t seed);

/// 1 where an element is kept, else 0: what relu_dropout draws.
at::Tensor dropout_keeps(at::IntArrayRef sizes, double p, int64_t seed);

}  // namespace tessera::ops
