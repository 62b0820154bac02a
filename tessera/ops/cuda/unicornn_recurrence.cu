#include "tessera/ops/cuda/unicornn_recurrence_cuda.h"

// One thread for each chain of a neuron and a sample: its state stays in registers for the whole
// sequence. What a step reads from memory does not depend on the state, so that the next tile of
// steps is on its way while this one is computed. Every sum has one writer: deterministic, without
// atomics.

namespace tessera::ops::cuda {

namespace {

constexpr int kTile = 8;  // steps that are fetched ahead

/// tile[i] = array at step `first` + i (backward in time: − i), 0 outside of the sequence.
template <class T, bool kBackInTime>
__device__ __forceinline__ void fetch(const T* array, int64_t first, int64_t steps, int64_t chains,
                                      int64_t chain, T (&tile)[kTile]) {
#pragma unroll
  for (int i = 0; i < kTile; ++i) {
    const int64_t step = kBackInTime ? first - i : first + i;
    tile[i] = step >= 0 && step < steps ? __ldcs(array + step * chains + chain) : T(0);
  }
}

template <class T>
__global__ void forward_kernel(UnicornnProblem<T> p, UnicornnForwardArrays<T> f) {
  const int64_t chain = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (chain >= p.chains) return;
  const T w = p.w[chain % p.width], s = p.s[chain % p.width];
  const T mask = p.mask != nullptr ? p.mask[chain] : T(1);
  T y = f.y[chain], z = f.z[chain], next[kTile];
  fetch<T, false>(p.q, 0, p.steps, p.chains, chain, next);
  for (int64_t first = 0; first < p.steps; first += kTile) {
    T q[kTile];
#pragma unroll
    for (int i = 0; i < kTile; ++i) q[i] = next[i];
    fetch<T, false>(p.q, first + kTile, p.steps, p.chains, chain, next);
#pragma unroll
    for (int i = 0; i < kTile; ++i) {
      if (first + i >= p.steps) break;
      z = fma(-s, fma(p.alpha, y, tanh(fma(w, y, q[i]))), z);
      y = fma(s, z, y);
      if (f.y_out != nullptr) __stcs(f.y_out + (first + i) * p.chains + chain, y * mask);
    }
  }
  f.y[chain] = y;
  f.z[chain] = z;
}

template <class T, bool kGradient>
__global__ void backward_kernel(UnicornnProblem<T> p, UnicornnBackwardArrays<T> b) {
  const int64_t chain = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (chain >= p.chains) return;
  const T w = p.w[chain % p.width], s = p.s[chain % p.width];
  const T mask = p.mask != nullptr ? p.mask[chain] : T(1);
  T y = b.y[chain], z = b.z[chain], d_y = b.d_y[chain], d_z = b.d_z[chain];
  T sum_w = 0, sum_c = 0, sum_mask = 0;
  T next_q[kTile], next_g[kTile];
  fetch<T, true>(p.q, p.steps - 1, p.steps, p.chains, chain, next_q);
  if (kGradient) fetch<T, true>(b.g, p.steps - 1, p.steps, p.chains, chain, next_g);
  for (int64_t first = p.steps - 1; first >= 0; first -= kTile) {
    T q[kTile], g[kTile];
#pragma unroll
    for (int i = 0; i < kTile; ++i) {
      q[i] = next_q[i];
      if (kGradient) g[i] = next_g[i];
    }
    fetch<T, true>(p.q, first - kTile, p.steps, p.chains, chain, next_q);
    if (kGradient) fetch<T, true>(b.g, first - kTile, p.steps, p.chains, chain, next_g);
#pragma unroll
    for (int i = 0; i < kTile; ++i) {
      if (first - i < 0) break;
      if (kGradient) {
        sum_mask = fma(g[i], y, sum_mask);
        d_y = fma(g[i], mask, d_y);
      }
      sum_c = fma(d_y, z, sum_c);
      y = fma(-s, z, y);
      const T a = tanh(fma(w, y, q[i])), force = fma(p.alpha, y, a);
      z = fma(s, force, z);
      d_z = fma(s, d_y, d_z);
      sum_c = fma(-d_z, force, sum_c);
      const T along = -d_z * s, d_q = along * fma(-a, a, T(1));
      __stcs(b.d_q + (first - i) * p.chains + chain, d_q);
      sum_w = fma(d_q, y, sum_w);
      d_y = fma(along, p.alpha, fma(d_q, w, d_y));
    }
  }
  b.y[chain] = y;
  b.z[chain] = z;
  b.d_y[chain] = d_y;
  b.d_z[chain] = d_z;
  b.sum_w[chain] = sum_w;
  b.sum_c[chain] = sum_c;
  if (b.sum_mask != nullptr) b.sum_mask[chain] = sum_mask;
}

/// Few chains are spread over many blocks: each is bound by the latency of its steps.
int threads_for(int64_t chains) { return chains < 32768 ? 32 : 128; }

unsigned blocks_for(int64_t chains, int threads) {
  return static_cast<unsigned>((chains + threads - 1) / threads);
}

}  // namespace

template <class T>
cudaError_t unicornn_forward(const UnicornnProblem<T>& p, const UnicornnForwardArrays<T>& f,
                             cudaStream_t stream) {
  const int threads = threads_for(p.chains);
  forward_kernel<T><<<blocks_for(p.chains, threads), threads, 0, stream>>>(p, f);
  return cudaGetLastError();
}

template <class T>
cudaError_t unicornn_backward(const UnicornnProblem<T>& p, const UnicornnBackwardArrays<T>& b,
                              cudaStream_t stream) {
  const int threads = threads_for(p.chains);
  const unsigned blocks = blocks_for(p.chains, threads);
  if (b.g != nullptr) {
    backward_kernel<T, true><<<blocks, threads, 0, stream>>>(p, b);
  } else {
    backward_kernel<T, false><<<blocks, threads, 0, stream>>>(p, b);
  }
  return cudaGetLastError();
}

template cudaError_t unicornn_forward<float>(const UnicornnProblem<float>&,
                                             const UnicornnForwardArrays<float>&, cudaStream_t);
template cudaError_t unicornn_forward<double>(const UnicornnProblem<double>&,
                                              const UnicornnForwardArrays<double>&, cudaStream_t);
template cudaError_t unicornn_backward<float>(const UnicornnProblem<float>&,
                                              const UnicornnBackwardArrays<float>&, cudaStream_t);
template cudaError_t unicornn_backward<double>(const UnicornnProblem<double>&,
                                               const UnicornnBackwardArrays<double>&, cudaStream_t);

}  // namespace tessera::ops::cuda
