#pragma once

// What the caller (sparse_conv2d.cpp) and the kernels (sparse_conv2d_kernel.cpp) share: no torch.

#include <cstdint>

namespace tessera::ops {

struct SparseConvProblem {
  int64_t channels, height, width;
  int64_t block, out_height, out_width, outputs;  ///< block: outputs that are computed at once
  int64_t kernel_height, kernel_width, stride, padding;
  const float* weight;        ///< [outputs/block][kh][kw][C][block]
  const float* bias;          ///< [outputs]
  const int64_t* first;       ///< [H·W + 1] of one image: where a pixel's non-zeros begin
  const int32_t* channel_of;  ///< of each non-zero, its channel times block
  const float* value_of;      ///< null: all are 1
  float* out;                 ///< [H'][W'][outputs] of that image
};

/// All pixels of one image for outputs index·block … (index + 1)·block.
using SparseConvKernel = void (*)(const SparseConvProblem&, int64_t index);

namespace AVX512 {
SparseConvKernel sparse_conv_kernel(int64_t block, bool of_ones);
}  // namespace AVX512
namespace AVX2 {
SparseConvKernel sparse_conv_kernel(int64_t block, bool of_ones);
}  // namespace AVX2
namespace DEFAULT {
SparseConvKernel sparse_conv_kernel(int64_t block, bool of_ones);
}  // namespace DEFAULT

}  // namespace tessera::ops
