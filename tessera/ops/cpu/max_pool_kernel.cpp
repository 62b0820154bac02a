#include "tessera/ops/cpu/max_pool_kernel.h"

#include <ATen/cpu/vec/vec.h>

namespace tessera::ops::CPU_CAPABILITY {

namespace {

/// out[i] = the largest of in[i + k·step], k = 0 … kernel − 1.
template <class T>
void max_of(const T* in, int64_t step, int64_t kernel, T* out, int64_t count) {
  using Vec = at::vec::Vectorized<T>;
  int64_t i = 0;
  for (; i + Vec::size() <= count; i += Vec::size()) {
    Vec most = Vec::loadu(in + i);
    for (int64_t k = 1; k < kernel; ++k) {
      most = at::vec::maximum(most, Vec::loadu(in + i + k * step));
    }
    most.store(out + i);
  }
  if (i == count) return;
  const int64_t left = count - i;
  Vec most = Vec::loadu(in + i, left);
  for (int64_t k = 1; k < kernel; ++k) {
    most = at::vec::maximum(most, Vec::loadu(in + i + k * step, left));
  }
  most.store(out + i, static_cast<int>(left));
}

}  // namespace

template <class T>
void max_pool_rows(const MaxPoolProblem<T>& p, int64_t begin, int64_t end, T* scratch) {
  const int64_t out_row = p.out_width * p.channels;
  for (int64_t r = begin; r < end; ++r) {
    const int64_t image = r / p.out_height, y = r % p.out_height * p.stride;
    // Over the window's rows first: pixels and channels are one line there, whatever their number.
    max_of(p.in + (image * p.height + y) * p.row(), p.row(), p.kernel, scratch, p.row());
    T* out = p.out + r * out_row;
    if (p.stride == 1) {
      max_of(scratch, p.channels, p.kernel, out, out_row);
      continue;
    }
    for (int64_t x = 0; x < p.out_width; ++x) {
      max_of(scratch + x * p.stride * p.channels, p.channels, p.kernel, out + x * p.channels,
             p.channels);
    }
  }
}

template void max_pool_rows(const MaxPoolProblem<float>&, int64_t, int64_t, float*);
template void max_pool_rows(const MaxPoolProblem<uint8_t>&, int64_t, int64_t, uint8_t*);

}  // namespace tessera::ops::CPU_CAPABILITY
