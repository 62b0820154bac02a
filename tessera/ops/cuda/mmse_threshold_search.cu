#include <cuda_runtime.h>

#include "tessera/ops/cuda/mmse_threshold_search_cuda.h"

// One block reads a part of a channel tile by tile into shared memory; each thread owns one
// candidate and walks through the tile. Sums have one writer: deterministic, without atomics.

namespace tessera::ops::cuda {

namespace {

constexpr int kThreads = 96;  // at least the 95 candidates
constexpr int kTile = 1024;

template <class T>
__global__ void scores(ThresholdArgs<T> p) {
  __shared__ T tile[kTile];
  const int64_t part = blockIdx.x, channel = blockIdx.y;
  const int64_t total = p.samples * p.size;
  const int64_t begin = total * part / p.parts, end = total * (part + 1) / p.parts;
  const bool is_active = threadIdx.x < p.candidates;
  const T c = is_active ? p.c[threadIdx.x * p.channels + channel] : T(1);
  const T steps = static_cast<T>(p.steps);
  double sum = 0;
  for (int64_t first = begin; first < end; first += kTile) {
    const int count = static_cast<int>(end - first < kTile ? end - first : kTile);
    for (int i = threadIdx.x; i < count; i += kThreads) {
      const int64_t at = first + i, sample = at / p.size;
      tile[i] = p.a[(sample * p.channels + channel) * p.size + at % p.size];
    }
    __syncthreads();
    T tile_sum = T(0);
    for (int i = 0; i < count && is_active; ++i) {
      const T x = tile[i];
      T level = x / c * steps;
      level = floor(level < T(0) ? T(0) : level > steps ? steps : level);
      const T error = level * c / steps - x;
      tile_sum += error * error;
    }
    sum += static_cast<double>(tile_sum);
    __syncthreads();
  }
  if (is_active) p.partial[(part * p.channels + channel) * p.candidates + threadIdx.x] = sum;
}

}  // namespace

template <class T>
int launch_threshold_scores(const ThresholdArgs<T>& args, void* stream) {
  const dim3 blocks(static_cast<unsigned>(args.parts), static_cast<unsigned>(args.channels));
  scores<T><<<blocks, kThreads, 0, static_cast<cudaStream_t>(stream)>>>(args);
  return static_cast<int>(cudaGetLastError());
}

template int launch_threshold_scores<float>(const ThresholdArgs<float>&, void*);
template int launch_threshold_scores<double>(const ThresholdArgs<double>&, void*);

}  // namespace tessera::ops::cuda
