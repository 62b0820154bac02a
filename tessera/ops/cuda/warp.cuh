#pragma once

namespace tessera::ops::cuda {

constexpr int kWarp = 32;
constexpr unsigned kAll = 0xffffffffu;

/// The sum over the lanes of a warp, in every lane, in one order.
template <class T>
__device__ __forceinline__ T warp_sum(T value) {
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) value += __shfl_xor_sync(kAll, value, step);
  return value;
}

}  // namespace tessera::ops::cuda
