#pragma once

#include "tessera/ops/if_neuron.h"

// Between the files of the operator `if_neuron`; not for callers.

namespace tessera::ops {

/// What a kernel needs beside its arguments: the shift of every threshold, and room for the results
/// in the memory format of current.
struct IfNeuronRoom {
  int64_t samples;
  at::Tensor shift;
  IfNeuronResult result;
};
IfNeuronRoom if_neuron_room(const at::Tensor& current, const at::Tensor& threshold,
                            const IfNeuronOptions& options);

/// The fused kernels. current is dense; threshold and potential have one value, or those of one
/// sample in the memory format of current; potential may be undefined.
/// The residual is dense as current is, its scale as the threshold.
IfNeuronResult if_neuron_cpu(const at::Tensor& current, const at::Tensor& threshold,
                             const at::Tensor& potential, const IfNeuronOptions& options,
                             const IfNeuronResidual& residual);

/// The CUDA kernel, which takes no residual and makes no marks; null in builds without CUDA.
using IfNeuronKernel = IfNeuronResult (*)(const at::Tensor& current, const at::Tensor& threshold,
                                          const at::Tensor& potential,
                                          const IfNeuronOptions& options);
IfNeuronKernel& if_neuron_cuda();

}  // namespace tessera::ops
