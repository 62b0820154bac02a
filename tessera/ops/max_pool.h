#pragma once

#include <ATen/core/Tensor.h>

namespace tessera::ops {

/// Largest value of each window of kernel × kernel, for inference: no gradients and no indices,
/// which ATen's max_pool2d computes even where nobody asks for them.
/// x: (B, C, H, W).
/// returns (B, C, H', W'), H' = ⌊(H + 2·padding − kernel)/stride⌋ + 1
///
/// A window with a NaN gives NaN. Channels-last maps of float32 or bytes on the CPU without padding
/// go through a kernel of ours, bit-equal to the plain form; all else is the plain form. Throws
/// what at::max_pool2d throws.
at::Tensor max_pool(const at::Tensor& x, int64_t kernel, int64_t stride, int64_t padding);

/// at::max_pool2d (of bytes in float32): fallback, truth and shape rule.
at::Tensor max_pool_plain(const at::Tensor& x, int64_t kernel, int64_t stride, int64_t padding);

}  // namespace tessera::ops
