#include "tessera/systems/snn_calibration/walk.h"

#include <ATen/ATen.h>

#include "tessera/core/error.h"
#include "tessera/ops/if_neuron.h"
#include "tessera/systems/snn_calibration/refuse.h"

namespace tessera::snn_calibration {
namespace {

/// (N, …) → (T·N, …).
at::Tensor repeated(const at::Tensor& values, int64_t steps) {
  std::vector<int64_t> times(static_cast<size_t>(values.dim()), 1);
  times[0] = steps;
  return values.repeat(times);
}

/// Average pools of 2×2 spikes: counted in bytes, then one pass.
at::Tensor pooled(const Train& spikes) {
  const at::Tensor bytes = spikes.values.view(at::kByte);
  const int64_t rows = bytes.size(2) / 2 * 2, columns = bytes.size(3) / 2 * 2;
  const auto corner = [&](int64_t y, int64_t x) {
    return bytes.slice(2, y, rows, 2).slice(3, x, columns, 2);
  };
  at::Tensor count = corner(0, 0) + corner(0, 1);
  count.add_(corner(1, 0)).add_(corner(1, 1));
  return count * (spikes.scale / 4);
}

bool pools_marks(const nn::Layer& layer, const Train& input) {
  return layer.kind == nn::LayerKind::kAvgPool && input.scale.defined() && layer.kernel == 2 &&
         layer.stride == 2 && layer.padding == 0;
}

}  // namespace

at::Tensor Train::numbers() const {
  return scale.defined() ? at::where(values, scale, at::Scalar(0)) : values;
}

Sources::Sources(const SpikingNetwork& it)
    : done_(it.network.layers.size()),
      neuron_at_(it.network.layers.size(), nullptr),
      is_sum_of_neuron_(it.network.layers.size()) {
  std::vector<size_t> last(it.network.layers.size());
  for (size_t i = 0; i < last.size(); ++i) {
    last[i] = i;
    std::vector<size_t>& sources = sources_.emplace_back();
    for (const std::string& input : it.network.layers[i].inputs) {
      sources.push_back(input == nn::kInput ? kImage : it.network.find(input));
      if (sources.back() != kImage) last[sources.back()] = i;
    }
  }
  for (const Neuron& neuron : it.neurons) {
    neuron_at_[neuron.activation] = &neuron;
    if (neuron.is_residual()) {
      const std::string& sum = it.network.layers[neuron.sum].name;
      is_sum_of_neuron_[neuron.sum] =
          sources_[neuron.sum].size() == 2 && nn::consumers(it.network, sum).size() == 1;
    }
    // What drives a neuron is looked at again when the neuron is calibrated.
    for (const size_t layer : {neuron.source, neuron.sum}) {
      if (layer == Neuron::npos) continue;
      for (const size_t source : sources_[layer]) {
        if (source != kImage) last[source] = std::max(last[source], neuron.activation);
      }
    }
  }
  last.back() = last.size();  // the output
  for (size_t i = 0; i < last.size(); ++i) {
    if (last[i] < last.size()) done_[last[i]].push_back(i);
  }
}

Train apply_over_time(const nn::Layer& layer, const nn::LayerTensors& tensors,
                      std::span<const Train> inputs, int64_t steps) {
  if (pools_marks(layer, inputs.front())) return {pooled(inputs.front())};
  if (const Train& input = inputs.front();
      layer.kind == nn::LayerKind::kFlatten && input.scale.defined() && input.scale.numel() == 1) {
    return {input.values.flatten(1), false, input.scale};
  }
  std::vector<at::Tensor> values;
  bool is_constant = true;
  for (const Train& input : inputs) is_constant &= input.is_constant;
  for (const Train& input : inputs) {
    values.push_back(input.is_constant && !is_constant ? repeated(input.values, steps)
                                                       : input.numbers());
  }
  return {nn::apply(layer, tensors, values, nn::Mode::kEvaluate), is_constant};
}

Scan scan(const SpikingNetwork& it, const Neuron& neuron, const Train& current,
          const ScanOptions& options) {
  const at::Tensor* threshold = it.thresholds.find(neuron.name);
  if (!threshold) {
    refuse("every neuron has a threshold before it spikes", "none for \"" + neuron.name + "\"",
           "T-SNN-20", "Search the thresholds first.");
  }
  if (threshold->isnan().any().item<bool>()) {
    refuse("thresholds are numbers", "NaN for \"" + neuron.name + "\"", "T-SNN-21",
           "Look for NaN among the weights and the calibration images.");
  }
  const at::Tensor potential = it.potentials.get(neuron.name);
  if (potential.defined() && potential.sizes().slice(1) != current.values.sizes().slice(1)) {
    refuse("images have the size that potentials were calibrated at",
           "\"" + neuron.name + "\" of " + c10::str(potential.sizes().slice(1)) + " and currents " +
               c10::str(current.values.sizes().slice(1)),
           "T-SNN-22", "Calibrate again at this size, or calibrate biases.");
  }
  const ops::IfNeuronResult result =
      ops::if_neuron(current.values, *threshold, potential,
                     {.steps = it.conversion.time_steps,
                      .shift_steps = it.conversion.shift ? it.conversion.time_steps : 0,
                      .is_constant = current.is_constant,
                      .sums = options.sums,
                      .keeps_membranes = options.keeps_membranes,
                      .marks = options.marks},
                     {.values = options.residual.values, .scale = options.residual.scale});
  return {.spikes = {result.spikes, false, options.marks ? *threshold : at::Tensor()},
          .membranes = result.membranes};
}

at::Tensor laid_out(const at::Tensor& tensor) {
  const bool is_map = tensor.dim() == 4 && tensor.scalar_type() != at::kDouble;
  return tensor.contiguous(is_map ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous);
}

at::Tensor mean_over_time(const Train& train, int64_t steps) {
  const at::Tensor& all = train.values;
  if (train.is_constant) {
    // Step after step as the others: a maximum threshold stands on the last bit of what it meets.
    at::Tensor sum = all.clone();
    for (int64_t t = 1; t < steps; ++t) sum += all;
    return sum.div_(static_cast<double>(steps));
  }
  const int64_t samples = all.size(0) / steps;
  at::Tensor sum = all.narrow(0, 0, samples).clone();
  for (int64_t t = 1; t < steps; ++t) sum += all.narrow(0, t * samples, samples);
  return sum.div_(static_cast<double>(steps));
}

void check_images(const SpikingNetwork& it, const at::Tensor& x) {
  if (x.dim() == 4 && x.size(0) > 0 && x.size(1) == it.network.input.channels &&
      x.is_floating_point()) {
    if (x.size(2) == it.network.input.height && x.size(3) == it.network.input.width) return;
    // Another size serves where the linear layers still find the widths that they have.
    nn::Network resized = it.network;
    resized.input.height = x.size(2);
    resized.input.width = x.size(3);
    nn::check_weights(resized, it.ann);
    return;
  }
  refuse("images are floats (N, " + std::to_string(it.network.input.channels) + ", H, W)",
         c10::str(x.scalar_type(), " ", x.sizes()), "T-SNN-23");
}

}  // namespace tessera::snn_calibration
