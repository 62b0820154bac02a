#pragma once

#include <ATen/core/Tensor.h>

namespace tessera::ops {

/// A kernel (O, C, kh, kw) in the order in which sparse_conv2d reads it: (O/b, kh, kw, C, b) with
/// b = 64, 32 or 16. Undefined where no such b divides O.
at::Tensor pack_sparse_kernel(const at::Tensor& weight);

/// Above this share of non-zero inputs a dense convolution is the faster one.
inline constexpr double kSparseConvMaxDensity = 0.25;

/// conv2d(x, W, bias) of mostly zero maps, such as spikes: each non-zero input adds its value times
/// its row of W to the outputs that it reaches; zeros cost nothing. x: (N, C, H, W), numbers or
/// bools, a byte each, which stand for 0 and 1; packed: of pack_sparse_kernel; bias: (O) or
/// undefined; stride and zero padding alike on both axes. returns (N, O, H', W'), channels last.
/// Float kernels on the CPU are fused, all else runs the twin; where a gradient is asked for, the
/// twin too. Throws InvalidArgument on shapes, dtypes or devices that do not fit. Cost: 2·O·kh·kw
/// for each non-zero input, and one pass over x.
at::Tensor sparse_conv2d(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias,
                         int64_t stride, int64_t padding);

/// The same composed of ATen operators: fallback, truth and shape rule.
at::Tensor sparse_conv2d_plain(const at::Tensor& x, const at::Tensor& packed,
                               const at::Tensor& bias, int64_t stride, int64_t padding);

}  // namespace tessera::ops
