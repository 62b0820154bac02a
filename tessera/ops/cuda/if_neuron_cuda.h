#pragma once

#include <cstdint>

// Between the CUDA kernel and its glue: no torch.

namespace tessera::ops::cuda {

/// As IfNeuronProblem of the CPU kernels.
template <class T>
struct IfNeuronArgs {
  int64_t steps, samples, width;
  const T* current;
  bool is_constant;
  const T* threshold;  ///< one value, or [width]
  const T* shift;      ///< likewise
  bool has_one_threshold;
  const T* potential;  ///< one value or [width]; may be null
  bool starts_alike;
  T* spikes;
  bool sums;
  T* membranes;  ///< may be null
};

/// `stream` is a cudaStream_t. Returns the cudaError_t of the launch.
template <class T>
int launch_if_neuron(const IfNeuronArgs<T>& args, void* stream);

}  // namespace tessera::ops::cuda
