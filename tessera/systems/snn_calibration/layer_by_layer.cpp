#include "tessera/systems/snn_calibration/layer_by_layer.h"

#include <ATen/ATen.h>

#include "tessera/systems/snn_calibration/walk.h"

namespace tessera::snn_calibration {

at::Tensor simulate_step_by_step(const SpikingNetwork& it, const at::Tensor& x, TensorMap* spikes) {
  const at::NoGradGuard no_grad;
  const Sources sources(it);
  const nn::Schedule schedule(it.network);
  const auto steps = static_cast<double>(it.conversion.time_steps);
  TensorMap membranes;
  at::Tensor sum;
  for (int64_t t = 0; t < it.conversion.time_steps; ++t) {
    const at::Tensor out = schedule.run(x, [&](size_t i, std::span<const at::Tensor> inputs) {
      const nn::Layer& layer = it.network.layers[i];
      const Neuron* neuron = sources.neuron_at(i);
      if (!neuron) {
        return nn::apply(layer, nn::tensors_of(layer, it.weights), inputs, nn::Mode::kEvaluate);
      }
      const at::Tensor& V = it.thresholds.at(neuron->name);
      at::Tensor v = t > 0 ? membranes.at(neuron->name) : it.potentials.get(neuron->name);
      at::Tensor z = inputs.front();
      if (it.conversion.shift) z = z + V * 0.5 / steps;
      v = v.defined() ? v + z : z;
      const at::Tensor s = v.ge(V).to(v.scalar_type()) * V;
      membranes.set(neuron->name, v - s);
      if (spikes) {
        const at::Tensor before = spikes->get(neuron->name);
        spikes->set(neuron->name, t > 0 ? before + s : s);
      }
      return s;
    });
    sum = t > 0 ? sum + out : out;
  }
  return sum;
}

std::vector<Correction> calibrate_bias_layer_by_layer(SpikingNetwork& it,
                                                      const at::Tensor& images) {
  const at::NoGradGuard no_grad;
  const nn::Schedule schedule(it.network);
  std::vector<Correction> seen;
  for (const Neuron& neuron : it.neurons) {
    at::Tensor A;
    schedule.run(images, [&](size_t i, std::span<const at::Tensor> inputs) {
      const nn::Layer& layer = it.network.layers[i];
      at::Tensor out = nn::apply(layer, nn::tensors_of(layer, it.ann), inputs, nn::Mode::kEvaluate);
      if (i == neuron.activation) A = out;
      return out;
    });
    TensorMap sums;
    simulate_step_by_step(it, images, &sums);
    const at::Tensor S = sums.at(neuron.name) / static_cast<double>(it.conversion.time_steps);
    const auto mean = [](const at::Tensor& values) {
      return values.dim() == 4 ? values.mean({0, 2, 3}) : values.mean(0);
    };
    const std::string name = neuron.name + ".bias";
    const at::Tensor bias = it.weights.at(name) - (mean(S) - mean(A));
    it.weights.set(name, bias);
    seen.push_back({.neuron = neuron.name,
                    .ann_mean = mean(A),
                    .snn_mean = mean(S),
                    .mse_before = (A - S).square().mean(),
                    .corrected = bias});
  }
  return seen;
}

}  // namespace tessera::snn_calibration
