#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tessera/nn/convnet/reconstruct.h"
#include "tessera/systems/snn_calibration/spiking.h"

// Calibration changes a SpikingNetwork and leaves its `ann` as it is. Each function is one sweep:
// the activations of the source network and the spike trains of the spiking one go through the
// layers side by side, and a layer is corrected when the sweep passes it. That costs one pass of
// the source and one of the spiking network, where running both for every layer costs a pass of
// each for every layer.

namespace tessera::snn_calibration {

/// How thresholds are chosen from the activations of the source network (section 3.2).
struct ThresholdRule {
  enum class Kind { kMax, kPercentile, kMse };
  Kind kind = Kind::kMse;
  double percentile = 1;                 ///< kPercentile: in [0, 1]
  bool channel_wise = false;             ///< kMse
  std::optional<double> momentum = 0.9;  ///< V ← m·V + (1 − m)·u; none: the maximum so far
  int64_t batches = 7;                   ///< at most
};

/// The threshold of one batch of activations.
at::Tensor threshold_of(const at::Tensor& activation, const ThresholdRule& rule, int64_t steps);
/// From the batches before and this one; `before` undefined for the first.
at::Tensor combined(const at::Tensor& before, const at::Tensor& now,
                    const std::optional<double>& momentum);

/// batches: images (N, C, H, W), read until rule.batches.
/// Throws InvalidArgument where there are none.
void search_thresholds(SpikingNetwork& it, std::span<const at::Tensor> batches,
                       const ThresholdRule& rule);

/// What was seen at one layer just before it was corrected.
struct Correction {
  std::string neuron;
  at::Tensor ann_mean, snn_mean;  ///< by channel (bias), or over the batch (potential)
  at::Tensor mse_before;          ///< [], of the time-averaged outputs
  at::Tensor corrected;           ///< the new bias or potential
};
/// One pass over the layers; returns what was seen. Biases move by mean A − mean S; potentials are
/// set to T·(mean A − mean S), measured with the potentials that are there.
std::vector<Correction> calibrate_bias(SpikingNetwork& it, const at::Tensor& images);
std::vector<Correction> calibrate_potential(SpikingNetwork& it, const at::Tensor& images);

/// What each layer's weights were fitted to.
struct WeightFit {
  std::string neuron;
  at::Tensor losses;  ///< [iters]
  at::Tensor weight;
};
/// Draws of a layer: int64 [iters, batch_size] into the images. Throws where one is asked that is
/// not there.
using DrawIndex = std::function<at::Tensor(const std::string& neuron)>;

/// images: num_samples of them. Activations are cached over their whole batches of batch_size.
std::vector<WeightFit> calibrate_weights(SpikingNetwork& it, const at::Tensor& images,
                                         const nn::ReconstructOptions& options,
                                         const DrawIndex& draw);

/// The images that the authors' loop takes: batches until their number times the size of the last
/// reaches `count`, then the first `count`. Throws InvalidArgument where there are fewer.
at::Tensor first_images(std::span<const at::Tensor> batches, int64_t count);

}  // namespace tessera::snn_calibration
