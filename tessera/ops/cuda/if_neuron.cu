#include <cuda_runtime.h>

#include "tessera/ops/cuda/if_neuron_cuda.h"

namespace tessera::ops::cuda {

namespace {

constexpr int kThreads = 256;

/// One thread a neuron: its membrane stays in a register over all steps.
template <class T>
__global__ void if_neuron(IfNeuronArgs<T> p) {
  const int64_t count = p.samples * p.width;
  for (int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < count;
       i += int64_t(gridDim.x) * blockDim.x) {
    const int64_t at = i % p.width;
    const T V = p.threshold[p.has_one_threshold ? 0 : at];
    const T shift = p.shift[p.has_one_threshold ? 0 : at];
    T v = p.potential == nullptr ? T(0) : p.potential[p.starts_alike ? 0 : at];
    T sum = T(0);
    for (int64_t t = 0; t < p.steps; ++t) {
      v = v + (p.current[(p.is_constant ? 0 : t * count) + i] + shift);
      const T s = v >= V ? V : T(0);
      v = v - s;
      if (p.sums) {
        sum += s;
      } else {
        p.spikes[t * count + i] = s;
      }
      if (p.membranes != nullptr) p.membranes[t * count + i] = v;
    }
    if (p.sums) p.spikes[i] = sum;
  }
}

}  // namespace

template <class T>
int launch_if_neuron(const IfNeuronArgs<T>& args, void* stream) {
  const int64_t blocks = (args.samples * args.width + kThreads - 1) / kThreads;
  const int64_t most = 65536;
  if_neuron<T><<<static_cast<unsigned>(blocks < most ? blocks : most), kThreads, 0,
                 static_cast<cudaStream_t>(stream)>>>(args);
  return static_cast<int>(cudaGetLastError());
}

template int launch_if_neuron<float>(const IfNeuronArgs<float>&, void*);
template int launch_if_neuron<double>(const IfNeuronArgs<double>&, void*);

}  // namespace tessera::ops::cuda
