#include "tessera/ops/cuda/grid_linear_cuda.h"
#include "tessera/ops/cuda/warp.cuh"

// Every value has one writer, and sums have one order: deterministic, without atomics.

namespace tessera::ops::cuda {

namespace {

constexpr int kWarps = 8;  // of a block
/// Samples that a warp of the forward works for.
constexpr int kSamples = 4;
/// Outputs whose gradients a thread holds, for one input.
constexpr int kOutputs = 8;
constexpr int kThreads = 128;

template <class T>
__device__ __forceinline__ bool is_node(const GridPass<T>& p, int64_t node) {
  return node >= 0 && node < p.nodes;
}

/// A warp for one output of kSamples samples: its lanes lie across the inputs, and a node that all
/// of them blend in one place is read once.
template <class T>
__global__ void forward_kernel(GridPass<T> p, const int64_t* order, T* y) {
  const int64_t o = int64_t(blockIdx.x) * kWarps + threadIdx.x / kWarp;
  const int lane = threadIdx.x % kWarp;
  const int64_t first = int64_t(blockIdx.y) * kSamples;
  if (o >= p.out) return;
  int64_t row[kSamples];
  T sum[kSamples], shift[kSamples];
#pragma unroll
  for (int r = 0; r < kSamples; ++r) {
    // What is too many repeats the last.
    row[r] = order[first + r < p.rows ? first + r : p.rows - 1];
    sum[r] = T(0);
    shift[r] = T(0);
  }
  for (int64_t s = 0; s < p.active; ++s) {
    const T* w[kSamples];
    T n[kSamples];
    bool is_shared = true;
#pragma unroll
    for (int r = 0; r < kSamples; ++r) {
      const int64_t at = row[r] * p.active + s, node = p.index[at];
      const bool is_there = is_node(p, node);
      n[r] = is_there ? p.n[at] : T(NAN);
      const int64_t place = (is_there ? node : 0) * p.out + o;
      w[r] = p.weight + place * p.in;
      if (p.bias != nullptr) shift[r] = fma(n[r], __ldg(p.bias + place), shift[r]);
      is_shared = is_shared && w[r] == w[0];
    }
    for (int64_t i = lane; i < p.in; i += kWarp) {
      const T shared = __ldg(w[0] + i);
#pragma unroll
      for (int r = 0; r < kSamples; ++r) {
        const T w_i = is_shared ? shared : __ldg(w[r] + i);
        sum[r] = fma(n[r] * __ldg(p.x + row[r] * p.in + i), w_i, sum[r]);
      }
    }
  }
#pragma unroll
  for (int r = 0; r < kSamples; ++r) {
    const T total = warp_sum(sum[r]);
    if (lane == 0 && first + r < p.rows) y[row[r] * p.out + o] = total + shift[r];
  }
}

/// A block for one sample, its threads across the inputs: v = Wᵀ d_y of each node, d_x = Σ n v,
/// d_n = x·v + d_y·bias.
template <class T>
__global__ void backward_x_kernel(GridPass<T> p, const T* d_y, T* d_x, T* d_n) {
  __shared__ T parts[kThreads / kWarp];
  const int64_t b = blockIdx.x;
  const T* d = d_y + b * p.out;
  const T* x = p.x + b * p.in;
  for (int64_t s = 0; s < p.active; ++s) {
    const int64_t at = b * p.active + s, node = p.index[at];
    const bool is_there = is_node(p, node);
    const T n = is_there ? p.n[at] : T(NAN);
    const T* w = p.weight + (is_there ? node : 0) * p.out * p.in;
    T dot = T(0);
    for (int64_t i = threadIdx.x; i < p.in; i += kThreads) {
      T v = T(0);
      for (int64_t o = 0; o < p.out; ++o) v = fma(__ldg(d + o), __ldg(w + o * p.in + i), v);
      // The thread's own from the node before.
      if (d_x != nullptr) d_x[b * p.in + i] = fma(n, v, s == 0 ? T(0) : d_x[b * p.in + i]);
      dot = fma(__ldg(x + i), v, dot);
    }
    if (d_n == nullptr) continue;
    if (p.bias != nullptr) {
      const T* bias = p.bias + (is_there ? node : 0) * p.out;
      for (int64_t o = threadIdx.x; o < p.out; o += kThreads) dot = fma(__ldg(d + o), bias[o], dot);
    }
    dot = warp_sum(dot);
    if (threadIdx.x % kWarp == 0) parts[threadIdx.x / kWarp] = dot;
    __syncthreads();
    if (threadIdx.x == 0) {
      T total = T(0);
      for (int part = 0; part < kThreads / kWarp; ++part) total += parts[part];
      d_n[at] = is_there ? total : T(NAN);
    }
    __syncthreads();
  }
}

/// A block for kOutputs outputs of one node, its threads across the inputs: sums over the samples
/// that blend it.
template <class T>
__global__ void backward_weight_kernel(GridPass<T> p, const int64_t* begin, const int64_t* uses,
                                       const T* d_y, T* d_weight, T* d_bias) {
  const int64_t node = blockIdx.y, first = int64_t(blockIdx.x) * kOutputs;
  const int outputs = p.out - first < kOutputs ? int(p.out - first) : kOutputs;
  const int64_t from = begin[node], to = begin[node + 1];
  if (d_bias != nullptr && threadIdx.x < outputs) {
    T sum = T(0);
    for (int64_t u = from; u < to; ++u) {
      sum = fma(p.n[uses[u]], d_y[uses[u] / p.active * p.out + first + threadIdx.x], sum);
    }
    d_bias[node * p.out + first + threadIdx.x] = sum;
  }
  if (d_weight == nullptr) return;
  for (int64_t i = threadIdx.x; i < p.in; i += kThreads) {
    T sum[kOutputs];
#pragma unroll
    for (int o = 0; o < kOutputs; ++o) sum[o] = T(0);
    for (int64_t u = from; u < to; ++u) {
      const int64_t at = uses[u], row = at / p.active;
      const T x = p.n[at] * __ldg(p.x + row * p.in + i);
      const T* d = d_y + row * p.out + first;
#pragma unroll
      for (int o = 0; o < kOutputs; ++o) {
        if (o < outputs) sum[o] = fma(__ldg(d + o), x, sum[o]);
      }
    }
    for (int o = 0; o < outputs; ++o) d_weight[(node * p.out + first + o) * p.in + i] = sum[o];
  }
}

__host__ unsigned tiles(int64_t count, int size) {
  return static_cast<unsigned>((count + size - 1) / size);
}

}  // namespace

template <class T>
cudaError_t grid_linear(const GridPass<T>& p, const int64_t* order, T* y, cudaStream_t stream) {
  if (p.rows == 0 || p.out == 0) return cudaSuccess;
  // A grid's second side is short.
  constexpr int64_t kMost = int64_t{65535} * kSamples;
  for (int64_t first = 0; first < p.rows; first += kMost) {
    GridPass<T> part = p;
    part.rows = p.rows - first < kMost ? p.rows - first : kMost;
    forward_kernel<T>
        <<<dim3(tiles(p.out, kWarps), tiles(part.rows, kSamples)), kWarp * kWarps, 0, stream>>>(
            part, order + first, y);
  }
  return cudaGetLastError();
}

template <class T>
cudaError_t grid_linear_backward_x(const GridPass<T>& p, const T* d_y, T* d_x, T* d_n,
                                   cudaStream_t stream) {
  if (p.rows == 0) return cudaSuccess;
  backward_x_kernel<T><<<static_cast<unsigned>(p.rows), kThreads, 0, stream>>>(p, d_y, d_x, d_n);
  return cudaGetLastError();
}

template <class T>
cudaError_t grid_linear_backward_weight(const GridPass<T>& p, const int64_t* begin,
                                        const int64_t* uses, const T* d_y, T* d_weight, T* d_bias,
                                        cudaStream_t stream) {
  if (p.nodes == 0 || p.out == 0) return cudaSuccess;
  constexpr int64_t kMost = 65535;
  for (int64_t first = 0; first < p.nodes; first += kMost) {
    const int64_t count = p.nodes - first < kMost ? p.nodes - first : kMost;
    backward_weight_kernel<T>
        <<<dim3(tiles(p.out, kOutputs), static_cast<unsigned>(count)), kThreads, 0, stream>>>(
            p, begin + first, uses, d_y,
            d_weight == nullptr ? nullptr : d_weight + first * p.out * p.in,
            d_bias == nullptr ? nullptr : d_bias + first * p.out);
  }
  return cudaGetLastError();
}

template cudaError_t grid_linear(const GridPass<float>&, const int64_t*, float*, cudaStream_t);
template cudaError_t grid_linear(const GridPass<double>&, const int64_t*, double*, cudaStream_t);
template cudaError_t grid_linear_backward_x(const GridPass<float>&, const float*, float*, float*,
                                            cudaStream_t);
template cudaError_t grid_linear_backward_x(const GridPass<double>&, const double*, double*,
                                            double*, cudaStream_t);
template cudaError_t grid_linear_backward_weight(const GridPass<float>&, const int64_t*,
                                                 const int64_t*, const float*, float*, float*,
                                                 cudaStream_t);
template cudaError_t grid_linear_backward_weight(const GridPass<double>&, const int64_t*,
                                                 const int64_t*, const double*, double*, double*,
                                                 cudaStream_t);

}  // namespace tessera::ops::cuda
