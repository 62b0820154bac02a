#include <ATen/ATen.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "tessera/ops/cuda/if_neuron_cuda.h"
#include "tessera/ops/if_neuron_args.h"

namespace tessera::ops {

namespace {

at::Tensor like(const at::Tensor& current, int64_t rows) {
  std::vector<int64_t> sizes = current.sizes().vec();
  sizes[0] = rows;
  const auto format =
      current.dim() == 4 ? current.suggest_memory_format() : at::MemoryFormat::Contiguous;
  return at::empty(sizes, current.options(), format);
}

template <class T>
IfNeuronResult run(const at::Tensor& current, const at::Tensor& threshold,
                   const at::Tensor& potential, const IfNeuronOptions& options) {
  const c10::cuda::CUDAGuard guard(current.device());
  const int64_t samples = options.is_constant ? current.size(0) : current.size(0) / options.steps;
  const at::Tensor shift = options.shift_steps > 0
                               ? threshold * 0.5 / static_cast<double>(options.shift_steps)
                               : at::zeros_like(threshold);
  IfNeuronResult result{.spikes = like(current, options.sums ? samples : samples * options.steps)};
  if (options.keeps_membranes) result.membranes = like(current, samples * options.steps);
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
