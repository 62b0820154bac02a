#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "tessera/ops/cpu/if_neuron_kernel.h"
#include "tessera/ops/cpu/workspace.h"
#include "tessera/ops/if_neuron_args.h"

namespace tessera::ops {
namespace {

template <class T>
IfNeuronKernelOf<T> kernel() {
  static const IfNeuronKernelOf<T> chosen = [] {
    switch (instruction_set()) {
      case InstructionSet::kAvx512:
        return AVX512::if_neuron_kernel<T>();
      case InstructionSet::kAvx2:
        return AVX2::if_neuron_kernel<T>();
      default:
        return DEFAULT::if_neuron_kernel<T>();
    }
  }();
  return chosen;
}

template <class T>
IfNeuronResult run(const at::Tensor& current, const at::Tensor& threshold,
                   const at::Tensor& potential, const IfNeuronOptions& options,
                   const IfNeuronResidual& residual) {
  auto [samples, shift, result] = if_neuron_room(current, threshold, options);
  const bool is_one = threshold.numel() == 1;
  const bool starts_alike = !potential.defined() || potential.numel() == 1;
  const bool has_marks = residual.scale.defined();
  const bool adds_alike = !has_marks || residual.scale.numel() == 1;
  IfNeuronProblem<T> p{
      .steps = options.steps,
      .samples = samples,
      .width = current.numel() / current.size(0),
      .current = current.const_data_ptr<T>(),
      .is_constant = options.is_constant,
      .residual =
          residual.values.defined() && !has_marks ? residual.values.const_data_ptr<T>() : nullptr,
      .residual_marks =
          has_marks ? static_cast<const uint8_t*>(residual.values.const_data_ptr()) : nullptr,
      .residual_scale = has_marks && adds_alike ? residual.scale.item<T>() : T(0),
      .residual_scales = adds_alike ? nullptr : residual.scale.const_data_ptr<T>(),
      .threshold = is_one ? threshold.item<T>() : T(0),
      .shift = is_one ? shift.item<T>() : T(0),
      .thresholds = is_one ? nullptr : threshold.const_data_ptr<T>(),
      .shifts = is_one ? nullptr : shift.const_data_ptr<T>(),
      .potential = starts_alike ? nullptr : potential.const_data_ptr<T>(),
      .start = potential.defined() && starts_alike ? potential.item<T>() : T(0),
      .spikes = options.marks ? nullptr : result.spikes.mutable_data_ptr<T>(),
      .marks = options.marks ? static_cast<uint8_t*>(result.spikes.mutable_data_ptr()) : nullptr,
      .sums = options.sums,
      .membranes = options.keeps_membranes ? result.membranes.mutable_data_ptr<T>() : nullptr};
  if (is_one && starts_alike && adds_alike) {
    // Nothing tells the samples apart: one long row.
    p.width *= p.samples;
    p.samples = 1;
  }
  constexpr int64_t kBlock = 1024;
  const int64_t blocks = (p.width + kBlock - 1) / kBlock;
  at::parallel_for(0, p.samples * blocks, 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % blocks * kBlock;
      kernel<T>()(p, i / blocks, first, std::min(first + kBlock, p.width));
    }
  });
  return result;
}

}  // namespace

IfNeuronResult if_neuron_cpu(const at::Tensor& current, const at::Tensor& threshold,
                             const at::Tensor& potential, const IfNeuronOptions& options,
                             const IfNeuronResidual& residual) {
  const auto chosen = current.scalar_type() == at::kDouble ? run<double> : run<float>;
  return chosen(current, threshold, potential, options, residual);
}

}  // namespace tessera::ops
