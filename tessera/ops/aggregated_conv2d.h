#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace tessera::ops {

struct AggregatedConvOptions {
  int64_t stride = 1, padding = 0, dilation = 1, groups = 1;
};

/// A convolution whose kernel is a gated sum of E sources, another for each sample (Zoo-Tuning,
/// section 4):
///   W~_e[o] = Σ_o' T_e[o,o'] W_e[o'],   ŷ_b = conv(x_b, Σ_e a[b,e] W~_e) + Σ_e a[b,e] bias_e
/// x: (B, I, H, W). gates a: (B, E), or (1, E) where all samples share a kernel. weight: (E, O,
/// I/groups, k, k). align T: (E·O, O, 1, 1), rows e·O … of source e, or undefined (T = 1). bias:
/// (E, O) or undefined; it is not aligned. One dtype and device.   returns (B, O, H', W')
/// Differentiable in the five tensors, any number of times (a second derivative goes through the
/// plain twin). Throws InvalidArgument on shape, dtype or device mismatch.
///
/// Two forms give the same sum; the cheaper one by size is taken. On large maps the kernels are
/// summed first and each sample convolved once: E·O·I·k² a sample more than a plain convolution.
/// Where all maps of the batch together have few positions, x meets every source first, and the
/// gated outputs are aligned and summed: T_e(W_e x) costs O² a position where (T_e W_e)x costs
/// O²·I·k² a call. At most 4 MiB of summed kernels (and never less than one) exist at a time.
at::Tensor aggregated_conv2d(const at::Tensor& x, const at::Tensor& gates, const at::Tensor& weight,
                             const at::Tensor& align, const at::Tensor& bias,
                             const AggregatedConvOptions& options);

/// The same as the authors write it, in ATen operators: one grouped convolution over all samples.
at::Tensor aggregated_conv2d_plain(const at::Tensor& x, const at::Tensor& gates,
                                   const at::Tensor& weight, const at::Tensor& align,
                                   const at::Tensor& bias, const AggregatedConvOptions& options);

/// W~ of the sources, (E, O, I/groups, k, k); `weight` itself without an alignment. Differentiable.
at::Tensor aligned_sources(const at::Tensor& weight, const at::Tensor& align);

}  // namespace tessera::ops
