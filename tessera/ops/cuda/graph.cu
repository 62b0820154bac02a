#include "tessera/ops/cuda/graph_cuda.h"
#include "tessera/ops/cuda/warp.cuh"

// A warp works for one row of a sparse matrix: its lanes lie across the columns of the dense rows
// that it gathers (for the softmax, across the row's entries). Every value has one writer:
// deterministic, without atomics.

namespace tessera::ops::cuda {

namespace {

constexpr int kWarps = 8;    // of a block
constexpr int kPerLane = 4;  // columns of a lane: four loads are on their way at once

template <class T>
__device__ __forceinline__ T warp_max(T value) {
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) {
    const T other = __shfl_xor_sync(kAll, value, step);
    // NaN stays, as it does on the CPU.
    value = other > value || other != other ? other : value;
  }
  return value;
}

__device__ __forceinline__ int64_t row_of_warp() {
  return int64_t(blockIdx.x) * kWarps + threadIdx.x / kWarp;
}

/// Columns [first, first + kWarp·kPerLane) of row i.
template <class T, bool kOut, bool kDot>
__device__ void gather_chunk(const Gather<T>& g, int64_t i, int64_t first) {
  const int lane = threadIdx.x % kWarp;
  const bool is_first = first == 0;
  int64_t column[kPerLane];
  bool is_there[kPerLane];
  T sum[kPerLane], with[kPerLane];
#pragma unroll
  for (int v = 0; v < kPerLane; ++v) {
    column[v] = first + v * kWarp + lane;
    is_there[v] = column[v] < g.width;
    sum[v] = T(0);
    with[v] = kDot && is_there[v] ? g.with[i * g.width + column[v]] : T(0);
  }
  if (g.self != nullptr) {
    T product = 0;
#pragma unroll
    for (int v = 0; v < kPerLane; ++v) {
      const T own = is_there[v] ? g.self[i * g.width + column[v]] : T(0);
      sum[v] = g.self_scale[i] * own;
      if (kDot) product = fma(own, with[v], product);
    }
    if (kDot && g.self_dot != nullptr) {
      product = warp_sum(product);
      if (lane == 0) g.self_dot[i] = is_first ? product : g.self_dot[i] + product;
    }
  }
  for (int64_t k = g.ptr[i]; k < g.ptr[i + 1]; ++k) {
    const T* from = g.from + g.index[k] * g.width;
    const T coefficient = kOut ? g.coefficient[k] : T(0);
    T product = 0;
#pragma unroll
    for (int v = 0; v < kPerLane; ++v) {
      const T value = is_there[v] ? __ldg(from + column[v]) : T(0);
      if (kOut) sum[v] = fma(coefficient, value, sum[v]);
      if (kDot) product = fma(value, with[v], product);
    }
    if (kDot) {
      product = warp_sum(product);
      if (lane == 0) g.dot[k] = is_first ? product : g.dot[k] + product;
    }
  }
  if (!kOut) return;
  const T scale = g.scale == nullptr ? T(1) : g.scale[i];
#pragma unroll
  for (int v = 0; v < kPerLane; ++v) {
    if (is_there[v]) g.out[i * g.width + column[v]] = scale * sum[v];
  }
}

/// Products with whole rows are summed by one warp; else the chunks of a row go to several (the
/// grid's second axis).
template <class T, bool kOut, bool kDot>
__global__ void gather_kernel(Gather<T> g, int64_t rows) {
  const int64_t i = row_of_warp();
  if (i >= rows) return;
  constexpr int64_t kChunk = kWarp * kPerLane;
  const int64_t step = kDot ? kChunk : kChunk * gridDim.y;
  for (int64_t first = kDot ? 0 : kChunk * blockIdx.y; first < g.width; first += step) {
    gather_chunk<T, kOut, kDot>(g, i, first);
  }
}

template <class T>
__global__ void softmax_kernel(RowSoftmax<T> s, int64_t rows) {
  const int64_t i = row_of_warp();
  if (i >= rows) return;
  const int64_t first = s.ptr[i] + threadIdx.x % kWarp, last = s.ptr[i + 1];
  for (int64_t h = 0; h < s.heads; ++h) {
    T most = -INFINITY;
    for (int64_t k = first; k < last; k += kWarp) {
      const T value = s.value[s.place[k] * s.heads + h];
      most = value > most || value != value ? value : most;
    }
    most = warp_max(most);
    T sum = 0;
    for (int64_t k = first; k < last; k += kWarp) {
      sum += exp(s.value[s.place[k] * s.heads + h] - most);
    }
    const T factor = T(1) / warp_sum(sum);
    for (int64_t k = first; k < last; k += kWarp) {
      const int64_t at = s.place[k] * s.heads + h;
      s.out[at] = exp(s.value[at] - most) * factor;
    }
  }
}

template <class T>
__global__ void softmax_backward_kernel(RowSoftmax<T> s, int64_t rows) {
  const int64_t i = row_of_warp();
  if (i >= rows) return;
  const int64_t first = s.ptr[i] + threadIdx.x % kWarp, last = s.ptr[i + 1];
  for (int64_t h = 0; h < s.heads; ++h) {
    T sum = 0;
    for (int64_t k = first; k < last; k += kWarp) {
      const int64_t at = s.place[k] * s.heads + h;
      sum = fma(s.value[at], s.d[at], sum);
    }
    sum = warp_sum(sum);
    for (int64_t k = first; k < last; k += kWarp) {
      const int64_t at = s.place[k] * s.heads + h;
      s.out[at] = s.value[at] * (s.d[at] - sum);
    }
  }
}

template <class T>
__device__ __forceinline__ T adam_step(const SparsityAdam<T>& a, T value, T g, T* avg, T* square) {
  g = fma(a.weight_decay, value, g);
  const T m = fma(a.one_minus_beta1, g - *avg, *avg);
  const T v = fma(a.one_minus_beta2 * g, g, a.beta2 * *square);
  *avg = m;
  *square = v;
  return value - a.step * m / (sqrt(v) / a.root_correction + a.eps);
}

template <class T>
__global__ void adam_kernel(SparsityAdam<T> a) {
  const int64_t step = int64_t(gridDim.x) * blockDim.x;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < a.count; i += step) {
    const T mask = a.mask[i], weight = a.weight != nullptr ? a.weight[i] : T(1);
    const T fixed = a.fixed != nullptr ? a.fixed[i] : T(1), d = a.d_effective[i] * fixed;
    const T sign = T(mask > T(0)) - T(mask < T(0));
    const T new_mask =
        adam_step(a, mask, fma(a.l1, sign, d * weight), a.mask_avg + i, a.mask_square + i);
    a.mask[i] = new_mask;
    T new_weight = T(1);
    if (a.weight != nullptr) {
      new_weight = adam_step(a, weight, d * mask, a.weight_avg + i, a.weight_square + i);
      a.weight[i] = new_weight;
    }
    if (a.effective != nullptr) a.effective[i] = new_weight * new_mask * fixed;
  }
}

unsigned blocks_for(int64_t rows) { return static_cast<unsigned>((rows + kWarps - 1) / kWarps); }

}  // namespace

template <class T>
cudaError_t gather(const Gather<T>& g, int64_t rows, cudaStream_t stream) {
  if (rows == 0 || g.width == 0) return cudaSuccess;
  constexpr int64_t kChunk = kWarp * kPerLane;
  const auto chunks = static_cast<unsigned>((g.width + kChunk - 1) / kChunk);
  const dim3 whole(blocks_for(rows)), cut(blocks_for(rows), chunks < 64 ? chunks : 64);
  if (g.out != nullptr && g.dot != nullptr) {
    gather_kernel<T, true, true><<<whole, kWarp * kWarps, 0, stream>>>(g, rows);
  } else if (g.out != nullptr) {
    gather_kernel<T, true, false><<<cut, kWarp * kWarps, 0, stream>>>(g, rows);
  } else if (g.dot != nullptr) {
    gather_kernel<T, false, true><<<whole, kWarp * kWarps, 0, stream>>>(g, rows);
  }
  return cudaGetLastError();
}

template <class T>
cudaError_t softmax(const RowSoftmax<T>& s, int64_t rows, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  softmax_kernel<T><<<blocks_for(rows), kWarp * kWarps, 0, stream>>>(s, rows);
  return cudaGetLastError();
}

template <class T>
cudaError_t softmax_backward(const RowSoftmax<T>& s, int64_t rows, cudaStream_t stream) {
  if (rows == 0) return cudaSuccess;
  softmax_backward_kernel<T><<<blocks_for(rows), kWarp * kWarps, 0, stream>>>(s, rows);
  return cudaGetLastError();
}

template <class T>
cudaError_t adam(const SparsityAdam<T>& a, cudaStream_t stream) {
  if (a.count == 0) return cudaSuccess;
  constexpr int kThreads = 256;
  const int64_t blocks = (a.count + kThreads - 1) / kThreads;
  adam_kernel<T><<<static_cast<unsigned>(blocks < 4096 ? blocks : 4096), kThreads, 0, stream>>>(a);
  return cudaGetLastError();
}

template cudaError_t gather<float>(const Gather<float>&, int64_t, cudaStream_t);
template cudaError_t gather<double>(const Gather<double>&, int64_t, cudaStream_t);
template cudaError_t softmax<float>(const RowSoftmax<float>&, int64_t, cudaStream_t);
template cudaError_t softmax<double>(const RowSoftmax<double>&, int64_t, cudaStream_t);
template cudaError_t softmax_backward<float>(const RowSoftmax<float>&, int64_t, cudaStream_t);
template cudaError_t softmax_backward<double>(const RowSoftmax<double>&, int64_t, cudaStream_t);
template cudaError_t adam<float>(const SparsityAdam<float>&, cudaStream_t);
template cudaError_t adam<double>(const SparsityAdam<double>&, cudaStream_t);

}  // namespace tessera::ops::cuda
