#pragma once

#include <ATen/core/Tensor.h>

namespace tessera::ops {

/// Matrix product a·b of (M, K) and (K, N), any strides, by the faster of ATen's two libraries.
/// MKL, which at::mm calls, runs its AVX2 kernels on processors that Intel did not make; oneDNN
/// runs AVX-512 there: twice as fast in float32 on Zen 5. Elsewhere, in other dtypes and for small
/// products this is at::mm. Both accumulate in the dtype itself. Differentiable, any number of
/// times. Fastest with `a` row-major; a transposed `a` is copied first. Throws InvalidArgument on
/// shapes that do not fit or on two dtypes.
at::Tensor product(const at::Tensor& a, const at::Tensor& b);

/// x·weightᵀ + bias over the last axis of x, computed like product. weight: (out, in); bias: (out)
/// or undefined. Differentiable, any number of times.
at::Tensor affine(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {});

/// Whether oneDNN is the faster library for float32 on this processor.
bool prefers_onednn();

}  // namespace tessera::ops
