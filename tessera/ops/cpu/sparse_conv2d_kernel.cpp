#include "tessera/ops/cpu/sparse_conv2d_kernel.h"

#include <ATen/cpu/vec/vec.h>

namespace tessera::ops::CPU_CAPABILITY {

namespace {

using Vec = at::vec::Vectorized<float>;

/// The outputs of one pixel stay in registers while the non-zeros below the kernel pass by.
template <int kVectors, bool kOnes>
void run(const SparseConvProblem& p, int64_t index) {
  constexpr int64_t kSize = Vec::size(), kBlock = kVectors * kSize;
  const int64_t tap = p.channels * kBlock;
  const float* const weight = p.weight + index * p.kernel_height * p.kernel_width * tap;
  const float* const bias = p.bias + index * kBlock;
  for (int64_t oy = 0; oy < p.out_height; ++oy) {
    for (int64_t ox = 0; ox < p.out_width; ++ox) {
      Vec sum[kVectors];
      for (int i = 0; i < kVectors; ++i) sum[i] = Vec::loadu(bias + i * kSize);
      for (int64_t ky = 0; ky < p.kernel_height; ++ky) {
        const int64_t y = oy * p.stride - p.padding + ky;
        if (y < 0 || y >= p.height) continue;
        for (int64_t kx = 0; kx < p.kernel_width; ++kx) {
          const int64_t x = ox * p.stride - p.padding + kx;
          if (x < 0 || x >= p.width) continue;
          const float* const w = weight + (ky * p.kernel_width + kx) * tap;
          const int64_t pixel = y * p.width + x;
          for (int64_t e = p.first[pixel]; e < p.first[pixel + 1]; ++e) {
            const float* const row = w + p.channel_of[e];
            if constexpr (kOnes) {
              for (int i = 0; i < kVectors; ++i) sum[i] = sum[i] + Vec::loadu(row + i * kSize);
            } else {
              const Vec value(p.value_of[e]);
              for (int i = 0; i < kVectors; ++i) {
                sum[i] = at::vec::fmadd(value, Vec::loadu(row + i * kSize), sum[i]);
              }
            }
          }
        }
      }
      float* const out = p.out + (oy * p.out_width + ox) * p.outputs + index * kBlock;
      for (int i = 0; i < kVectors; ++i) sum[i].store(out + i * kSize);
    }
  }
}

}  // namespace

SparseConvKernel sparse_conv_kernel(int64_t block, bool of_ones) {
  switch (block / Vec::size()) {
    case 1:
      return of_ones ? run<1, true> : run<1, false>;
    case 2:
      return of_ones ? run<2, true> : run<2, false>;
    case 4:
      return of_ones ? run<4, true> : run<4, false>;
    case 8:
      return of_ones ? run<8, true> : run<8, false>;
    default:
      return nullptr;
  }
}

}  // namespace tessera::ops::CPU_CAPABILITY
