#pragma once

// What the caller (max_pool.cpp) and the kernels (max_pool_kernel.cpp) share: no torch.

#include <cstdint>

namespace tessera::ops {

/// Channels-last maps: in [B, height, width, channels], out [B, out_height, out_width, channels].
template <class T>
struct MaxPoolProblem {
  const T* in;
  T* out;
  int64_t height, width, channels, out_height, out_width, kernel, stride;

  int64_t row() const { return width * channels; }
};

/// Rows begin … end − 1 of all images' outputs; scratch [row()] belongs to the thread. T: float,
/// uint8_t.
template <class T>
using MaxPoolKernel = void (*)(const MaxPoolProblem<T>&, int64_t begin, int64_t end, T* scratch);

namespace AVX512 {
template <class T>
void max_pool_rows(const MaxPoolProblem<T>&, int64_t begin, int64_t end, T* scratch);
}
namespace AVX2 {
template <class T>
void max_pool_rows(const MaxPoolProblem<T>&, int64_t begin, int64_t end, T* scratch);
}
namespace DEFAULT {
template <class T>
void max_pool_rows(const MaxPoolProblem<T>&, int64_t begin, int64_t end, T* scratch);
}

}  // namespace tessera::ops
