#pragma once

// What the caller (max_pool.cpp) and the kernels (max_pool_kernel.cpp) share: no torch.

#include <cstdint>

namespace tessera::ops {

/// Channels-last maps: in [B, height, width, channels], out [B, out_height, out_width, channels].
struct MaxPoolProblem {
  const float* in;
  float* out;
  int64_t height, width, channels, out_height, out_width, kernel, stride;

  int64_t row() const { return width * channels; }
};

/// Rows begin … end − 1 of all images' outputs; scratch [row()] belongs to the thread.
using MaxPoolKernel = void (*)(const MaxPoolProblem&, int64_t begin, int64_t end, float* scratch);

namespace AVX512 {
void max_pool_rows(const MaxPoolProblem&, int64_t begin, int64_t end, float* scratch);
}
namespace AVX2 {
void max_pool_rows(const MaxPoolProblem&, int64_t begin, int64_t end, float* scratch);
}
namespace DEFAULT {
void max_pool_rows(const MaxPoolProblem&, int64_t begin, int64_t end, float* scratch);
}

}  // namespace tessera::ops
