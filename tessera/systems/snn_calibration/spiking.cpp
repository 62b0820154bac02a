#include "tessera/systems/snn_calibration/spiking.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/ops/sparse_conv2d.h"
#include "tessera/systems/snn_calibration/refuse.h"
#include "tessera/systems/snn_calibration/walk.h"

namespace tessera::snn_calibration {
namespace {

bool has_weight(const nn::Layer& layer) {
  return layer.kind == nn::LayerKind::kConv || layer.kind == nn::LayerKind::kLinear;
}

/// The neuron that the ReLU at `index` becomes.
Neuron neuron_of(const nn::Network& network, size_t index) {
  const nn::Layer& relu = network.layers[index];
  if (relu.activation != ops::Activation::kRelu) {
    refuse("every activation is a ReLU", "\"" + relu.name + "\"", "T-SNN-11");
  }
  Neuron neuron{.activation = index};
  neuron.source = network.find(relu.inputs.front());
  if (neuron.source != Neuron::npos && network.layers[neuron.source].kind == nn::LayerKind::kAdd) {
    // The first operand is the block's own path; the shortcut never spikes.
    neuron.sum = neuron.source;
    neuron.source = network.find(network.layers[neuron.sum].inputs.front());
  }
  if (neuron.source == Neuron::npos || !has_weight(network.layers[neuron.source])) {
    refuse("every ReLU follows a conv or linear layer, or the residual sum of one",
           "\"" + relu.name + "\" behind \"" + relu.inputs.front() + "\"", "T-SNN-12");
  }
  neuron.name = network.layers[neuron.source].name;
  return neuron;
}

void check_statistics(const nn::WeightedNetwork& source) {
  for (const nn::Layer& layer : source.network.layers) {
    if (layer.kind != nn::LayerKind::kBatchNorm) continue;
    const nn::LayerTensors tensors = nn::tensors_of(layer, source.weights);
    if (tensors.running_mean.defined() && tensors.running_var.defined()) continue;
    refuse("batch norm has running statistics", "none for \"" + layer.name + "\"", "T-SNN-14",
           "Train the network with statistics, in evaluation mode.");
  }
}

/// The index of the last neuron's activation where all that follows is linear in it and reads
/// nothing else: steps can be summed there.
size_t summable_from(const SpikingNetwork& it, const Sources& sources) {
  const size_t last = it.neurons.back().activation;
  for (size_t i = last + 1; i < it.network.layers.size(); ++i) {
    for (const size_t source : sources.of(i)) {
      if (source == Sources::kImage || source < last) return Neuron::npos;
    }
  }
  return last;
}

double share_of_non_zero(const at::Tensor& values) {
  return values.count_nonzero().item<double>() / static_cast<double>(values.numel());
}

/// Multiply-adds of a layer for one sample.
double macs_of(const nn::Layer& layer, const nn::LayerShapes& shapes) {
  const auto inputs = static_cast<double>(shapes.in.channels / layer.groups);
  const auto area =
      layer.kind == nn::LayerKind::kConv ? static_cast<double>(layer.kernel * layer.kernel) : 1.0;
  return inputs * area * static_cast<double>(shapes.out.elements());
}

/// So many that the largest current of all steps takes at most 64 MiB.
int64_t samples_at_once(const SpikingNetwork& it, const at::Tensor& x) {
  constexpr double kMostBytes = 1 << 26;
  nn::Network network = it.network;
  network.input.height = x.size(2);
  network.input.width = x.size(3);
  int64_t largest = 1;
  for (const nn::LayerShapes& shapes : nn::infer_shapes(network)) {
    largest = std::max(largest, shapes.out.elements());
  }
  const auto bytes = static_cast<double>(it.conversion.time_steps * largest * x.element_size());
  return std::max<int64_t>(1, static_cast<int64_t>(kMostBytes / bytes));
}

}  // namespace

const Neuron& SpikingNetwork::neuron(std::string_view name) const {
  const auto it = std::ranges::find(neurons, name, &Neuron::name);
  if (it != neurons.end()) return *it;
  std::vector<std::string> names;
  for (const Neuron& known : neurons) names.push_back(known.name);
  refuse("no spiking layer \"" + std::string(name) + "\"", "", "T-SNN-13",
         did_you_mean(name, names));
}

SpikingNetwork convert(const nn::WeightedNetwork& source, const Conversion& conversion) {
  if (conversion.time_steps < 1) {
    refuse("time_steps is at least 1", std::to_string(conversion.time_steps), "T-SNN-10");
  }
  check_statistics(source);
  nn::WeightedNetwork plain =
      nn::fold_batch_norm({nn::without_dropout(source.network), source.weights});
  SpikingNetwork it{.network = std::move(plain.network), .conversion = conversion};
  for (size_t i = 0; i < it.network.layers.size(); ++i) {
    const nn::Layer& layer = it.network.layers[i];
    if (layer.kind == nn::LayerKind::kMaxPool) {
      refuse("a spiking network has average pools",
             "the maximum pool \"" + layer.name + "\" of " + it.network.name, "T-SNN-15",
             "Replace it before the network is trained (with_average_pools).");
    }
    if (layer.kind == nn::LayerKind::kBatchNorm) {
      refuse("batch norm follows a conv or linear layer", "\"" + layer.name + "\"", "T-SNN-16");
    }
    if (layer.kind == nn::LayerKind::kActivation) it.neurons.push_back(neuron_of(it.network, i));
  }
  if (it.neurons.empty()) {
    refuse("a network to convert has a ReLU", it.network.name + " without", "T-SNN-17");
  }
  // Calibration moves the bias of every neuron: where there is none it starts at 0.
  for (const Neuron& neuron : it.neurons) {
    nn::Layer& layer = it.network.layers[neuron.source];
    if (layer.has_bias) continue;
    layer.has_bias = true;
    const at::Tensor& weight = plain.weights.at(layer.name + ".weight");
    plain.weights.set(layer.name + ".bias", at::zeros({weight.size(0)}, weight.options()));
  }
  for (const nn::WeightSpec& spec : nn::weight_specs(it.network)) {
    it.ann.set(spec.name, laid_out(plain.weights.at(spec.name).detach()));
  }
  it.weights = it.ann;
  return it;
}

at::Tensor ann_logits(const SpikingNetwork& it, const at::Tensor& x) {
  check_images(it, x);
  const at::NoGradGuard no_grad;
  return nn::Schedule(it.network).run(x, [&](size_t i, std::span<const at::Tensor> inputs) {
    const nn::Layer& layer = it.network.layers[i];
    return nn::apply(layer, nn::tensors_of(layer, it.ann), inputs, nn::Mode::kEvaluate);
  });
}

Simulator::Simulator(SpikingNetwork it) : it_(std::move(it)), packed_(it_.network.layers.size()) {}

/// The convolution that skips zeros, where it is the faster one; else undefined.
at::Tensor Simulator::conv_of_spikes(size_t index, const Train& train) {
  const nn::Layer& layer = it_.network.layers[index];
  const nn::LayerTensors tensors = nn::tensors_of(layer, it_.weights);
  const at::Tensor& spikes = train.values;
  const bool fits = layer.kind == nn::LayerKind::kConv && layer.groups == 1 &&
                    layer.dilation == 1 && spikes.is_cpu() &&
                    tensors.weight.scalar_type() == at::kFloat;
  if (!fits) return {};
  // Every fourth sample tells how dense all are.
  constexpr int64_t kSampled = 4;
  if (share_of_non_zero(spikes.slice(0, 0, spikes.size(0), kSampled)) >
      ops::kSparseConvMaxDensity) {
    return {};
  }
  if (!packed_[index].defined()) {
    packed_[index] = ops::pack_sparse_kernel(tensors.weight);
    // What a spike stands for goes into the kernel, (O/b, kh, kw, C, b).
    if (packed_[index].defined() && train.scale.defined()) {
      packed_[index].mul_(train.scale.view({-1, 1}));
    }
  }
  if (!packed_[index].defined()) return {};
  return ops::sparse_conv2d(spikes, packed_[index], tensors.bias, layer.stride, layer.padding);
}

SpikingRun simulate(const SpikingNetwork& it, const at::Tensor& x, const Watch& watch) {
  return Simulator(it).run(x, watch);
}

SpikingRun Simulator::run(const at::Tensor& x, const Watch& watch) {
  check_images(it_, x);
  const bool is_watched = watch.step_logits || watch.firing_rates || watch.traces;
  const int64_t part = is_watched ? x.size(0) : samples_at_once(it_, x);
  if (x.size(0) <= part) return run_at_once(x, watch);
  std::vector<at::Tensor> logits;
  for (const at::Tensor& samples : x.split(part)) {
    logits.push_back(run_at_once(samples, watch).logits);
  }
  SpikingRun all;
  all.logits = at::cat(logits);
  return all;
}

SpikingRun Simulator::run_at_once(const at::Tensor& x, const Watch& watch) {
  const SpikingNetwork& it = it_;
  const at::NoGradGuard no_grad;
  const int64_t steps = it.conversion.time_steps, samples = x.size(0);
  const Sources sources(it);
  const bool sums = !watch.step_logits && !watch.firing_rates && !watch.traces;
  const size_t summed_from = sums ? summable_from(it, sources) : Neuron::npos;
  const Train image{laid_out(x), /*is_constant=*/true};

  SpikingRun run;
  std::vector<Train> trains(it.network.layers.size());
  std::vector<Train> inputs;
  std::vector<bool> is_joined(trains.size());  // a sum that its neuron makes as it scans
  const bool marks = x.is_cpu();
  for (size_t i = 0; i < trains.size(); ++i) {
    const nn::Layer& layer = it.network.layers[i];
    inputs.clear();
    for (const size_t source : sources.of(i)) {
      inputs.push_back(source == Sources::kImage ? image : trains[source]);
    }
    if (watch.firing_rates && has_weight(layer)) {
      const bool sees_image = inputs.front().is_constant;
      run.input_rates.set(
          layer.name,
          at::scalar_tensor(sees_image ? 1.0 : share_of_non_zero(inputs[0].values), at::kDouble));
    }
    if (const Neuron* neuron = sources.neuron_at(i)) {
      ScanOptions how{.sums = i == summed_from,
                      .keeps_membranes = watch.traces,
                      .marks = marks && i != summed_from};
      if (neuron->is_residual() && is_joined[neuron->sum]) {
        inputs.front() = trains[sources.of(neuron->sum)[0]];
        how.residual = trains[sources.of(neuron->sum)[1]];
      }
      Scan result = scan(it, *neuron, inputs.front(), how);
      trains[i] = result.spikes;
      if (watch.firing_rates) {
        run.firing_rates.set(
            neuron->name, at::scalar_tensor(share_of_non_zero(trains[i].values), x.scalar_type()));
      }
      if (watch.traces) {
        const auto by_step = [&](const at::Tensor& all) {
          return all.contiguous().unflatten(0, {steps, samples});
        };
        run.spikes.set(neuron->name, by_step(trains[i].numbers()));
        run.membranes.set(neuron->name, by_step(result.membranes));
      }
    } else if (sources.is_sum_of_neuron(i) && !inputs[0].is_constant && !inputs[1].is_constant &&
               !inputs[0].scale.defined()) {
      is_joined[i] = true;
    } else {
      nn::LayerTensors tensors = nn::tensors_of(layer, it.weights);
      const bool is_summed = summed_from != Neuron::npos && i > summed_from;
      if (is_summed && tensors.bias.defined()) {
        tensors.bias = tensors.bias * static_cast<double>(steps);
      }
      at::Tensor sparse;
      if (!is_summed && !inputs.front().is_constant) {
        sparse = conv_of_spikes(i, inputs.front());
      }
      trains[i] = sparse.defined() ? Train{sparse}
                                   : apply_over_time(layer, tensors, inputs, is_summed ? 1 : steps);
    }
    for (const size_t done : sources.done_after(i)) trains[done] = {};
  }
  const at::Tensor out = trains.back().numbers();
  if (summed_from != Neuron::npos) {
    run.logits = out;
    return run;
  }
  run.step_logits = out.unflatten(0, {steps, samples});
  run.logits = run.step_logits.sum(0);
  return run;
}

Energy energy(const SpikingNetwork& it, const SpikingRun& run, double e_mac_pj, double e_ac_pj) {
  const std::vector<nn::LayerShapes> shapes = nn::infer_shapes(it.network);
  const Sources sources(it);
  const auto steps = static_cast<double>(it.conversion.time_steps);
  Energy result;
  for (size_t i = 0; i < shapes.size(); ++i) {
    const nn::Layer& layer = it.network.layers[i];
    if (!has_weight(layer)) continue;
    const double macs = macs_of(layer, shapes[i]);
    result.ann_macs += macs;
    if (sources.of(i).front() == Sources::kImage) {
      result.first_macs += macs;
    } else {
      result.spike_ops += run.input_rates.at(layer.name).item<double>() * steps * macs;
    }
  }
  result.ann_pj = e_mac_pj * result.ann_macs;
  result.snn_pj = e_mac_pj * steps * result.first_macs + e_ac_pj * result.spike_ops;
  return result;
}

}  // namespace tessera::snn_calibration
