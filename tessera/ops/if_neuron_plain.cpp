#include <ATen/ATen.h>

#include "tessera/ops/if_neuron.h"

namespace tessera::ops {

IfNeuronResult if_neuron_plain(const at::Tensor& current, const at::Tensor& threshold,
                               const at::Tensor& potential, const IfNeuronOptions& options,
                               const IfNeuronResidual& residual) {
  const int64_t samples = options.is_constant ? current.size(0) : current.size(0) / options.steps;
  const at::Tensor zero = at::zeros({}, current.options());
  const at::Tensor V = threshold.numel() == 1 ? threshold.reshape({}) : threshold;
  const at::Tensor shift =
      options.shift_steps > 0 ? V * 0.5 / static_cast<double>(options.shift_steps) : at::Tensor();
  at::Tensor v = zero, sum;
  if (potential.defined()) v = potential;
  at::Tensor added = residual.values;
  if (added.defined() && added.scalar_type() == at::kBool) {
    const at::Tensor& scale = residual.scale;
    added = at::where(added, scale.numel() == 1 ? scale.reshape({}) : scale, zero);
  }
  std::vector<at::Tensor> spikes, membranes;
  for (int64_t t = 0; t < options.steps; ++t) {
    at::Tensor z = options.is_constant ? current : current.narrow(0, t * samples, samples);
    if (added.defined()) z = z + added.narrow(0, t * samples, samples);
    if (shift.defined()) z = z + shift;
    v = v + z;
    const at::Tensor s = at::where(v.ge(V), V, zero);
    v = v - s;
    if (options.sums) {
      sum = sum.defined() ? sum + s : s;
    } else {
      spikes.push_back(options.marks ? s.ne(0) : s);
    }
    if (options.keeps_membranes) membranes.push_back(v);
  }
  return {.spikes = options.sums ? sum : at::cat(spikes),
          .membranes = options.keeps_membranes ? at::cat(membranes) : at::Tensor()};
}

}  // namespace tessera::ops
