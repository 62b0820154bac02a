#include <ATen/ATen.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "tessera/ops/cuda/if_neuron_cuda.h"
#include "tessera/ops/if_neuron_args.h"

namespace tessera::ops {

namespace {

template <class T>
IfNeuronResult run(const at::Tensor& current, const at::Tensor& threshold,
                   const at::Tensor& potential, const IfNeuronOptions& options) {
  const c10::cuda::CUDAGuard guard(current.device());
  auto [samples, shift, result] = if_neuron_room(current, threshold, options);
  const cuda::IfNeuronArgs<T> args{
      .steps = options.steps,
      .samples = samples,
      .width = current.numel() / current.size(0),
      .current = current.const_data_ptr<T>(),
      .is_constant = options.is_constant,
      .threshold = threshold.const_data_ptr<T>(),
      .shift = shift.const_data_ptr<T>(),
      .has_one_threshold = threshold.numel() == 1,
      .potential = potential.defined() ? potential.const_data_ptr<T>() : nullptr,
      .starts_alike = potential.defined() && potential.numel() == 1,
      .spikes = result.spikes.mutable_data_ptr<T>(),
      .sums = options.sums,
      .membranes = options.keeps_membranes ? result.membranes.mutable_data_ptr<T>() : nullptr};
  C10_CUDA_CHECK(static_cast<cudaError_t>(
      cuda::launch_if_neuron<T>(args, c10::cuda::getCurrentCUDAStream().stream())));
  return result;
}

IfNeuronResult run_any(const at::Tensor& current, const at::Tensor& threshold,
                       const at::Tensor& potential, const IfNeuronOptions& options) {
  return current.scalar_type() == at::kDouble ? run<double>(current, threshold, potential, options)
                                              : run<float>(current, threshold, potential, options);
}

const bool registered = [] {
  if_neuron_cuda() = run_any;
  return true;
}();

}  // namespace

}  // namespace tessera::ops
