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

/// An output of `rows` samples in the memory format of current.
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
  const int64_t samples = options.is_constant ? current.size(0) : current.size(0) / options.steps;
  const at::Tensor shift = options.shift_steps > 0
                               ? threshold * 0.5 / static_cast<double>(options.shift_steps)
                               : at::zeros_like(threshold);
  IfNeuronResult result{.spikes = like(current, options.sums ? samples : samples * options.steps)};
  if (options.keeps_membranes) result.membranes = like(current, samples * options.steps);
  const bool is_one = threshold.numel() == 1;
  const bool starts_alike = !potential.defined() || potential.numel() == 1;
  IfNeuronProblem<T> p{
      .steps = options.steps,
      .samples = samples,
      .width = current.numel() / current.size(0),
      .current = current.const_data_ptr<T>(),
      .is_constant = options.is_constant,
      .threshold = is_one ? threshold.item<T>() : T(0),
      .shift = is_one ? shift.item<T>() : T(0),
      .thresholds = is_one ? nullptr : threshold.const_data_ptr<T>(),
      .shifts = is_one ? nullptr : shift.const_data_ptr<T>(),
      .potential = starts_alike ? nullptr : potential.const_data_ptr<T>(),
      .start = potential.defined() && starts_alike ? potential.item<T>() : T(0),
      .spikes = result.spikes.mutable_data_ptr<T>(),
      .sums = options.sums,
      .membranes = options.keeps_membranes ? result.membranes.mutable_data_ptr<T>() : nullptr};
  if (is_one && starts_alike) {
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
                             const at::Tensor& potential, const IfNeuronOptions& options) {
  return current.scalar_type() == at::kDouble ? run<double>(current, threshold, potential, options)
                                              : run<float>(current, threshold, potential, options);
}

}  // namespace tessera::ops
