#pragma once

#include <ATen/core/Tensor.h>

namespace tessera::ops {

/// Each signal convolved with each channel of a kernel, causally:
///   y[r,t,c] = Σ_{j ≤ min(t, L−1)} k[j,c] u[r,t−j]
/// u: (R, T) signals. kernel: (L, C), L ≥ 1; rows past T are not read. One dtype and device.
/// returns (R, T, C). By transforms of length P = 2^p ≥ T + min(L, T) − 1, two signals in one,
/// channels side by side; nothing is kept for the backward but the arguments. Differentiable in
/// both, any number of times. Throws InvalidArgument on shape, dtype or device mismatch.
/// Cost 2.5·(R + C + R·C)·P·log₂P forward, twice that backward.
at::Tensor causal_convolution(const at::Tensor& u, const at::Tensor& kernel);

/// The same composed of ATen operators: fallback, truth and shape rule.
at::Tensor causal_convolution_plain(const at::Tensor& u, const at::Tensor& kernel);

}  // namespace tessera::ops
