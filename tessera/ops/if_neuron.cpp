#include "tessera/ops/if_neuron.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include <tuple>

#include "tessera/core/error.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/dispatch.h"
#include "tessera/ops/if_neuron_args.h"

namespace tessera::ops {

IfNeuronRoom if_neuron_room(const at::Tensor& current, const at::Tensor& threshold,
                            const IfNeuronOptions& options) {
  const int64_t samples = options.is_constant ? current.size(0) : current.size(0) / options.steps;
  const auto like = [&](int64_t rows, at::ScalarType dtype) {
    std::vector<int64_t> sizes = current.sizes().vec();
    sizes[0] = rows;
    const auto format =
        current.dim() == 4 ? current.suggest_memory_format() : at::MemoryFormat::Contiguous;
    return at::empty(sizes, current.options().dtype(dtype), format);
  };
  const at::ScalarType dtype = current.scalar_type();
  IfNeuronRoom room{.samples = samples,
                    .shift = options.shift_steps > 0
                                 ? threshold * 0.5 / static_cast<double>(options.shift_steps)
                                 : at::zeros_like(threshold),
                    .result = {.spikes = like(options.sums ? samples : samples * options.steps,
                                              options.marks ? at::kBool : dtype)}};
  if (options.keeps_membranes) room.result.membranes = like(samples * options.steps, dtype);
  return room;
}

IfNeuronKernel& if_neuron_cuda() {
  static IfNeuronKernel kernel = nullptr;
  return kernel;
}

namespace {

using Pair = std::tuple<at::Tensor, at::Tensor>;

[[noreturn]] void refuse(const std::string& rule, const std::string& got) {
  fail<InvalidArgument>({.where = "if_neuron", .rule = rule, .got = got, .id = "T-IF-01"});
}

/// Whether `tensor` broadcasts to the sizes of one sample of current, [1, …].
bool fits_sample(const at::Tensor& tensor, const at::Tensor& current) {
  if (tensor.dim() != current.dim() || tensor.sym_size(0) != 1) return false;
  for (int64_t i = 1; i < tensor.dim(); ++i) {
    if (tensor.sym_size(i) != 1 && tensor.sym_size(i) != current.sym_size(i)) return false;
  }
  return true;
}

void check(const at::Tensor& current, const at::Tensor& threshold, const at::Tensor& potential,
           const IfNeuronOptions& options, const IfNeuronResidual& residual) {
  if (options.marks && options.sums) refuse("spikes are marks or are summed", "both");
  if (options.steps < 1 || options.shift_steps < 0) {
    refuse("steps is at least 1 and shift_steps at least 0",
           std::to_string(options.steps) + " and " + std::to_string(options.shift_steps));
  }
  if (current.dim() < 2 || !current.is_floating_point()) {
    refuse("current is a floating (T·N, …)", describe(current));
  }
  if (!options.is_constant && current.sym_size(0) % options.steps != 0) {
    refuse("current holds every sample at each of the " + std::to_string(options.steps) + " steps",
           describe(current));
  }
  if (threshold.sym_numel() != 1 && !fits_sample(threshold, current)) {
    refuse("threshold has one value, or broadcasts to one sample of " + describe(current),
           describe(threshold));
  }
  if (potential.defined() && !fits_sample(potential, current)) {
    refuse("potential is [1, …] of one sample of " + describe(current), describe(potential));
  }
  at::Tensor numbers;  // of the residual, what has current's dtype
  if (const at::Tensor& values = residual.values; values.defined()) {
    const bool is_marks = values.scalar_type() == at::kBool;
    if (options.is_constant || values.sym_sizes() != current.sym_sizes() ||
        values.device() != current.device()) {
      refuse("residual has the sizes of current = " + describe(current) + ", of every step",
             describe(values));
    }
    if (is_marks != residual.scale.defined() ||
        (is_marks && residual.scale.sym_numel() != 1 && !fits_sample(residual.scale, current))) {
      refuse("residual is bool with a scale that fits as the threshold does, or numbers",
             describe(values) + " and " + describe(residual.scale));
    }
    numbers = is_marks ? residual.scale : values;
  }
  for (const at::Tensor& tensor : {threshold, potential, numbers}) {
    if (!tensor.defined()) continue;
    if (tensor.scalar_type() != current.scalar_type() || tensor.device() != current.device()) {
      refuse("all arguments have the dtype and device of current = " + describe(current),
             describe(tensor));
    }
  }
}

at::MemoryFormat format_of(const at::Tensor& current) {
  return current.dim() == 4 ? current.suggest_memory_format() : at::MemoryFormat::Contiguous;
}

/// Values of one sample, in the order of current's memory.
at::Tensor of_sample(const at::Tensor& tensor, const at::Tensor& current) {
  if (!tensor.defined() || tensor.numel() == 1) return tensor;
  std::vector<int64_t> sizes = current.sizes().vec();
  sizes[0] = 1;
  // A batch of one has no memory format of its own: strides would be ambiguous.
  return tensor.expand(sizes).contiguous(format_of(current));
}

IfNeuronResult compute(const at::Tensor& current, const at::Tensor& threshold,
                       const at::Tensor& potential, const IfNeuronOptions& options,
                       const IfNeuronResidual& residual) {
  check(current, threshold, potential, options, residual);
  const bool has_cuda = current.is_cuda() && if_neuron_cuda() != nullptr && !options.marks &&
                        !residual.values.defined();
  const bool is_fused =
      has_fused_dtype(current) && current.numel() > 0 && (current.is_cpu() || has_cuda);
  if (!is_fused) return if_neuron_plain(current, threshold, potential, options, residual);
  const at::Tensor dense = current.contiguous(format_of(current));
  const at::Tensor V = of_sample(threshold, current), v_0 = of_sample(potential, current);
  if (has_cuda) return if_neuron_cuda()(dense, V, v_0, options);
  IfNeuronResidual added;
  if (residual.values.defined()) {
    added = {.values = residual.values.contiguous(format_of(current)),
             .scale = of_sample(residual.scale, current)};
  }
  return if_neuron_cpu(dense, V, v_0, options, added);
}

Pair run(const at::Tensor& current, const at::Tensor& threshold, const OptionalTensor& potential,
         int64_t steps, int64_t shift_steps, bool constant, bool sum, bool membranes,
         const OptionalTensor& residual, const OptionalTensor& residual_scale, bool marks) {
  const IfNeuronResult result =
      compute(current, threshold, defined_or_not(potential),
              {.steps = steps,
               .shift_steps = shift_steps,
               .is_constant = constant,
               .sums = sum,
               .keeps_membranes = membranes,
               .marks = marks},
              {.values = defined_or_not(residual), .scale = defined_or_not(residual_scale)});
  return {result.spikes, membranes ? result.membranes : at::empty({0}, current.options())};
}

Pair run_meta(const at::Tensor& current, const at::Tensor& threshold,
              const OptionalTensor& potential, int64_t steps, int64_t shift_steps, bool constant,
              bool sum, bool membranes, const OptionalTensor& residual,
              const OptionalTensor& residual_scale, bool marks) {
  check(current, threshold, defined_or_not(potential),
        {.steps = steps,
         .shift_steps = shift_steps,
         .is_constant = constant,
         .sums = sum,
         .marks = marks},
        {.values = defined_or_not(residual), .scale = defined_or_not(residual_scale)});
  const c10::SymInt samples = constant ? current.sym_size(0) : current.sym_size(0) / steps;
  const auto like = [&](const c10::SymInt& rows, bool is_bool) {
    auto sizes = current.sym_sizes().vec();
    sizes[0] = rows;
    const at::Tensor result = at::empty_symint(
        sizes, current.options().dtype(is_bool ? at::kBool : current.scalar_type()));
    return current.dim() == 4 ? result.contiguous(format_of(current)) : result;
  };
  return {like(sum ? samples : samples * steps, marks),
          membranes ? like(samples * steps, false) : at::empty({0}, current.options())};
}

Pair call(const at::Tensor& current, const at::Tensor& threshold, const OptionalTensor& potential,
          int64_t steps, int64_t shift_steps, bool constant, bool sum, bool membranes,
          const OptionalTensor& residual, const OptionalTensor& residual_scale, bool marks) {
  // A step has no gradient: results are constants of autograd.
  at::AutoDispatchBelowADInplaceOrView below;
  static const auto op = operator_handle<decltype(run)>("tessera::if_neuron");
  return op.call(current, threshold, potential, steps, shift_steps, constant, sum, membranes,
                 residual, residual_scale, marks);
}

}  // namespace

IfNeuronResult if_neuron(const at::Tensor& current, const at::Tensor& threshold,
                         const at::Tensor& potential, const IfNeuronOptions& options,
                         const IfNeuronResidual& residual) {
  const auto [spikes, membranes] =
      call(current, threshold, optional(potential), options.steps, options.shift_steps,
           options.is_constant, options.sums, options.keeps_membranes, optional(residual.values),
           optional(residual.scale), options.marks);
  return {.spikes = spikes, .membranes = options.keeps_membranes ? membranes : at::Tensor()};
}

TORCH_LIBRARY_IMPL(tessera, CPU, m) { m.impl("if_neuron", TORCH_FN(run)); }
TORCH_LIBRARY_IMPL(tessera, CUDA, m) { m.impl("if_neuron", TORCH_FN(run)); }
TORCH_LIBRARY_IMPL(tessera, Meta, m) { m.impl("if_neuron", TORCH_FN(run_meta)); }
TORCH_LIBRARY_IMPL(tessera, Autograd, m) { m.impl("if_neuron", TORCH_FN(call)); }

}  // namespace tessera::ops
