#include "tessera/systems/snn_calibration/network_method.h"

#include <ATen/ATen.h>

#include "tessera/systems/snn_calibration/model.h"

namespace tessera::snn_calibration {
namespace {

class SpikingForm final : public NetworkForm {
 public:
  explicit SpikingForm(SpikingNetwork it) : simulator_(std::move(it)) {}

  at::Tensor logits(const at::Tensor& x) override {
    const at::NoGradGuard no_grad;
    return simulator_.run(x).logits;
  }

  nn::WeightedNetwork weighted() const override {
    const SpikingNetwork& it = simulator_.spiking();
    nn::WeightedNetwork plain{.network = it.network, .weights = it.weights};
    plain.weights.merge(it.thresholds.prefixed("threshold/"));
    plain.weights.merge(it.potentials.prefixed("potential/"));
    return plain;
  }

 private:
  Simulator simulator_;
};

}  // namespace

NetworkMethod network_method() {
  return {.name = "spikes",
          .summary = "ReLUs become integrate-and-fire neurons, calibrated on some inputs",
          .apply = [](const nn::WeightedNetwork& network, std::span<const at::Tensor> batches,
                      const Json& settings) -> std::unique_ptr<NetworkForm> {
            const SnnConfig config = SnnConfig::of(settings);
            const at::NoGradGuard no_grad;
            SpikingNetwork it = convert(network, conversion_of(config));
            search_thresholds(it, batches, threshold_rule_of(config));
            calibrate(it, batches, config, {});
            return std::make_unique<SpikingForm>(std::move(it));
          }};
}

}  // namespace tessera::snn_calibration
