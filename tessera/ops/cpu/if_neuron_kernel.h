#pragma once

// What the caller (if_neuron.cpp) and the kernels (if_neuron_kernel.cpp) share: no torch.

#include <cstdint>

namespace tessera::ops {

/// Memory is [steps][samples][width]; one sample's values are `width` numbers in the order of
/// memory, which only a threshold or a potential for each of them needs to know.
template <class T>
struct IfNeuronProblem {
  int64_t steps, samples, width;
  const T* current;
  bool is_constant;                          ///< current is [samples][width]
  const T* residual;                         ///< [steps][samples][width]; may be null
  const uint8_t* residual_marks;             ///< likewise; 1 where its scale is added
  T residual_scale;                          ///< where the array is null
  const T* residual_scales;                  ///< [width]; may be null
  T threshold, shift;                        ///< where the arrays are null
  const T *thresholds, *shifts, *potential;  ///< [width]; may be null
  T start;                                   ///< where potential is null
  T* spikes;       ///< [samples][width] where they are summed; null: marks
  uint8_t* marks;  ///< 1 where a neuron fires
  bool sums;
  T* membranes;  ///< may be null
};

/// Neurons begin … end of one sample.
template <class T>
using IfNeuronKernelOf = void (*)(const IfNeuronProblem<T>&, int64_t sample, int64_t begin,
                                  int64_t end);

namespace AVX512 {
template <class T>
IfNeuronKernelOf<T> if_neuron_kernel();
}  // namespace AVX512
namespace AVX2 {
template <class T>
IfNeuronKernelOf<T> if_neuron_kernel();
}  // namespace AVX2
namespace DEFAULT {
template <class T>
IfNeuronKernelOf<T> if_neuron_kernel();
}  // namespace DEFAULT

}  // namespace tessera::ops
