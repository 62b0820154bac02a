#include "tessera/systems/snn_calibration/calibrate.h"

#include <ATen/ATen.h>

#include <array>
#include <cmath>

#include "tessera/core/error.h"
#include "tessera/ops/mmse_threshold_search.h"
#include "tessera/systems/snn_calibration/refuse.h"
#include "tessera/systems/snn_calibration/walk.h"

namespace tessera::snn_calibration {
namespace {

/// The quantile by linear interpolation at p·(n − 1), a product in the values' type, without a
/// limit to n.
at::Tensor interpolated_quantile(const at::Tensor& values, double p) {
  const at::Tensor flat = values.flatten();
  const double position = at::scalar_tensor(p, flat.options()).mul(flat.numel() - 1).item<double>();
  const auto below = static_cast<int64_t>(std::floor(position));
  const int64_t above = std::min(below + 1, flat.numel() - 1);
  const at::Tensor low = std::get<0>(flat.kthvalue(below + 1));
  const at::Tensor high = std::get<0>(flat.kthvalue(above + 1));
  return at::lerp(low, high, position - static_cast<double>(below));
}

/// What a sweep holds where it passes a neuron. Whoever corrects the neuron brings `current` up to
/// date.
struct Passing {
  const Neuron& neuron;
  at::Tensor ann;  ///< A: output of the source network
  Train input;     ///< of the layer that drives the neuron
  Train residual;  ///< of the shortcut; no values where there is none
  Train current;   ///< z
};
using Correct = std::function<void(Passing&)>;

void sweep(const SpikingNetwork& it, const at::Tensor& images, const Correct& correct) {
  check_images(it, images);
  const at::NoGradGuard no_grad;
  const int64_t steps = it.conversion.time_steps;
  const Sources sources(it);
  const at::Tensor x = laid_out(images);
  const Train image{x, /*is_constant=*/true};
  std::vector<at::Tensor> ann(it.network.layers.size());
  std::vector<Train> trains(ann.size());
  const auto train_of = [&](size_t source) {
    return source == Sources::kImage ? image : trains[source];
  };
  for (size_t i = 0; i <= it.neurons.back().activation; ++i) {
    const nn::Layer& layer = it.network.layers[i];
    std::vector<at::Tensor> ann_inputs;
    std::vector<Train> inputs;
    for (const size_t source : sources.of(i)) {
      ann_inputs.push_back(source == Sources::kImage ? x : ann[source]);
      inputs.push_back(train_of(source));
    }
    ann[i] = nn::apply(layer, nn::tensors_of(layer, it.ann), ann_inputs, nn::Mode::kEvaluate);
    if (const Neuron* neuron = sources.neuron_at(i)) {
      Passing passing{.neuron = *neuron,
                      .ann = ann[i],
                      .input = train_of(sources.of(neuron->source).front()),
                      .current = inputs.front()};
      if (neuron->is_residual()) passing.residual = train_of(sources.of(neuron->sum)[1]);
      correct(passing);
      trains[i] = scan(it, *neuron, passing.current).spikes;
    } else {
      trains[i] = apply_over_time(layer, nn::tensors_of(layer, it.weights), inputs, steps);
    }
    for (const size_t done : sources.done_after(i)) {
      ann[done].reset();
      trains[done] = {};
    }
  }
}

/// S: the neuron's output, averaged over time.
at::Tensor spiking_mean(const SpikingNetwork& it, const Passing& passing) {
  const Scan sum = scan(it, passing.neuron, passing.current, {.sums = true});
  return sum.spikes.values / static_cast<double>(it.conversion.time_steps);
}

/// Of (N, C, H, W) or (N, F): by channel.
at::Tensor channel_mean(const at::Tensor& values) {
  return values.dim() == 4 ? values.mean({0, 2, 3}) : values.mean(0);
}

}  // namespace

at::Tensor threshold_of(const at::Tensor& activation, const ThresholdRule& rule, int64_t steps) {
  switch (rule.kind) {
    case ThresholdRule::Kind::kMax:
      return activation.max();
    case ThresholdRule::Kind::kPercentile:
      return interpolated_quantile(activation, rule.percentile);
    case ThresholdRule::Kind::kMse:
      break;
  }
  return ops::mmse_threshold_search(activation, steps, rule.channel_wise).threshold;
}

at::Tensor combined(const at::Tensor& before, const at::Tensor& now,
                    const std::optional<double>& momentum) {
  if (!before.defined()) return now;
  if (!momentum) return at::maximum(before, now);
  return *momentum * before + (1 - *momentum) * now;
}

void search_thresholds(SpikingNetwork& it, std::span<const at::Tensor> batches,
                       const ThresholdRule& rule) {
  if (batches.empty() || rule.batches < 1) {
    refuse("calibration has at least one batch of images", "none", "T-SNN-30");
  }
  const at::NoGradGuard no_grad;
  const Sources sources(it);
  const nn::Schedule schedule(it.network);
  it.thresholds = {};
  const size_t count = std::min(batches.size(), static_cast<size_t>(rule.batches));
  for (const at::Tensor& batch : batches.first(count)) {
    check_images(it, batch);
    const at::Tensor x = laid_out(batch);
    schedule.run(x, [&](size_t i, std::span<const at::Tensor> inputs) {
      const nn::Layer& layer = it.network.layers[i];
      at::Tensor out = nn::apply(layer, nn::tensors_of(layer, it.ann), inputs, nn::Mode::kEvaluate);
      if (const Neuron* neuron = sources.neuron_at(i)) {
        it.thresholds.set(neuron->name, combined(it.thresholds.get(neuron->name),
                                                 threshold_of(out, rule, it.conversion.time_steps),
                                                 rule.momentum));
      }
      return out;
    });
  }
}

std::vector<Correction> calibrate_bias(SpikingNetwork& it, const at::Tensor& images) {
  std::vector<Correction> seen;
  sweep(it, images, [&](Passing& passing) {
    const at::Tensor S = spiking_mean(it, passing);
    const at::Tensor ann_mean = channel_mean(passing.ann), snn_mean = channel_mean(S);
    const std::string name = passing.neuron.name + ".bias";
    const at::Tensor moved = snn_mean - ann_mean;
    const at::Tensor bias = it.weights.at(name) - moved;
    it.weights.set(name, bias);
    const bool is_map = S.dim() == 4;
    passing.current.values =
        passing.current.values - (is_map ? moved.view({1, -1, 1, 1}) : moved.view({1, -1}));
    seen.push_back({.neuron = passing.neuron.name,
                    .ann_mean = ann_mean,
                    .snn_mean = snn_mean,
                    .mse_before = (passing.ann - S).square().mean(),
                    .corrected = bias});
  });
  return seen;
}

std::vector<Correction> calibrate_potential(SpikingNetwork& it, const at::Tensor& images) {
  std::vector<Correction> seen;
  const auto steps = static_cast<double>(it.conversion.time_steps);
  sweep(it, images, [&](Passing& passing) {
    const at::Tensor S = spiking_mean(it, passing);
    const at::Tensor ann_mean = passing.ann.mean(0, /*keepdim=*/true),
                     snn_mean = S.mean(0, /*keepdim=*/true);
    const at::Tensor potential = ((ann_mean - snn_mean) * steps).contiguous();
    it.potentials.set(passing.neuron.name, potential);
    seen.push_back({.neuron = passing.neuron.name,
                    .ann_mean = ann_mean,
                    .snn_mean = snn_mean,
                    .mse_before = (passing.ann - S).square().mean(),
                    .corrected = potential});
  });
  return seen;
}

std::vector<WeightFit> calibrate_weights(SpikingNetwork& it, const at::Tensor& images,
                                         const nn::ReconstructOptions& options,
                                         const DrawIndex& draw) {
  const int64_t steps = it.conversion.time_steps;
  const int64_t cached = images.size(0) / options.batch_size * options.batch_size;
  if (cached == 0) {
    refuse("there is at least one batch of " + std::to_string(options.batch_size) +
               " images to fit weights to",
           std::to_string(images.size(0)), "T-SNN-31");
  }
  std::vector<WeightFit> fits;
  sweep(it, images.narrow(0, 0, cached), [&](Passing& passing) {
    const Neuron& neuron = passing.neuron;
    const nn::Layer& layer = it.network.layers[neuron.source];
    const bool is_residual = neuron.is_residual();
    const at::Tensor* threshold = it.thresholds.find(neuron.name);
    if (!threshold) scan(it, neuron, passing.current);  // complains
    nn::Reconstructed fit = nn::reconstruct(
        layer, nn::tensors_of(layer, it.weights),
        {.input = mean_over_time(passing.input, steps),
         .residual = is_residual ? mean_over_time(passing.residual, steps) : at::Tensor(),
         .target = passing.ann},
        *threshold, steps, options, draw(neuron.name));
    it.weights.set(neuron.name + ".weight", fit.weight);
    Train current = apply_over_time(layer, nn::tensors_of(layer, it.weights),
                                    std::span<const Train>(&passing.input, 1), steps);
    if (is_residual) {
      const std::array<Train, 2> both{current, passing.residual};
      current = apply_over_time(it.network.layers[neuron.sum], {}, both, steps);
    }
    passing.current = current;
    fits.push_back({.neuron = neuron.name, .losses = fit.losses, .weight = fit.weight});
  });
  return fits;
}

at::Tensor first_images(std::span<const at::Tensor> batches, int64_t count) {
  std::vector<at::Tensor> taken;
  int64_t available = 0;
  for (const at::Tensor& batch : batches) {
    taken.push_back(batch);
    available += batch.size(0);
    if (static_cast<int64_t>(taken.size()) * batch.size(0) >= count) break;
  }
  if (available < count) {
    refuse("the calibration data hold num_samples images",
           std::to_string(available) + " of " + std::to_string(count), "T-SNN-32",
           "Lower weight_calib.num_samples, or give more batches.");
  }
  return at::cat(taken).narrow(0, 0, count);
}

}  // namespace tessera::snn_calibration
