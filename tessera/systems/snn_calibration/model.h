#pragma once

#include <memory>

#include "tessera/nn/convnet/convnet.h"
#include "tessera/nn/convnet/mergeable.h"
#include "tessera/systems/model.h"
#include "tessera/systems/snn_calibration/calibrate.h"
#include "tessera/systems/snn_calibration/config.h"

namespace tessera::snn_calibration {

/// The source network: a ReLU CNN with average pools, which is trained and then converted.
class SourceNetwork : public Model, public nn::Mergeable {
 public:
  /// Weights are drawn by the authors' rules for the architecture, float32.
  explicit SourceNetwork(const SnnConfig& config);

  const SnnConfig& config() const { return config_; }
  const nn::Network& network() const { return net_.network(); }

  /// x: (B, C, H, W); sizes other than the configured one where the linear layers allow them.
  /// returns (B, K)
  at::Tensor forward(const at::Tensor& x) const;

  /// The network and its weights, to be converted or given to another method.
  nn::WeightedNetwork merged() const override;

  /// x → logits. In training mode with batch norm also buffer_after/<name>: its statistics after
  /// this batch.
  TensorMap run(const TensorMap& inputs) override;

 private:
  SnnConfig config_;
  nn::ConvNet net_;
};

std::shared_ptr<SourceNetwork> make_model(const SnnConfig& config);

/// The rules of a configuration.
Conversion conversion_of(const SnnConfig& config);
ThresholdRule threshold_rule_of(const SnnConfig& config);

/// What a calibration did, in the order of the pipeline; parts that it does not have are empty.
struct CalibrationLog {
  std::vector<WeightFit> weights;
  std::vector<Correction> biases, potentials;
};

/// The pipeline `calib` of a configuration on a network whose thresholds are known. `draw` may be
/// empty where weights are not calibrated. after_weights is called between weights and potentials.
CalibrationLog calibrate(SpikingNetwork& it, std::span<const at::Tensor> batches,
                         const SnnConfig& config, const DrawIndex& draw,
                         const std::function<void()>& after_weights = {});

/// Draws of a generator: for each iteration the first of a random permutation.
DrawIndex random_draws(const WeightCalibration& rules, uint64_t seed);

/// A state dict of the authors', of the source network or of a converted one (whose names begin
/// with "model." and which repeats the head as "classifier").
TensorMap from_authors(const TensorMap& theirs, const SnnConfig& config);

}  // namespace tessera::snn_calibration
