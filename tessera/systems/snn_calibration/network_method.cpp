#include "tessera/systems/snn_calibration/network_method.h"

#include <ATen/ATen.h>

#include "tessera/systems/snn_calibration/model.h"

namespace tessera::snn_calibration {
namespace {

class SpikingForm final : public NetworkForm {
 public:
  SpikingForm(SpikingNetwork it, SnnConfig config)
      : simulator_(std::move(it)), config_(std::move(config)) {}

  at::Tensor logits(const at::Tensor& x) override {
    const at::NoGradGuard no_grad;
    return simulator_.run(x).logits;
  }

  double scale() const override { return static_cast<double>(config_.time_steps); }

  TensorMap observed(const at::Tensor& x) override {
    const at::NoGradGuard no_grad;
    const SpikingRun run = simulator_.run(x, {.firing_rates = true});
    const Energy spent = energy(simulator_.spiking(), run, config_.e_mac_pj, config_.e_ac_pj);
    TensorMap seen = simulator_.spiking().thresholds.prefixed("threshold/");
    seen.merge(run.firing_rates.prefixed("firing_rate/"));
    for (const auto& [name, value] :
         {std::pair{"energy/ann_pj", spent.ann_pj}, std::pair{"energy/snn_pj", spent.snn_pj},
          std::pair{"energy/ann_macs", spent.ann_macs},
          std::pair{"energy/first_macs", spent.first_macs},
          std::pair{"energy/spike_ops", spent.spike_ops}}) {
      seen.set(name, at::scalar_tensor(value, at::kDouble));
    }
    return seen;
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
  SnnConfig config_;
};

std::unique_ptr<NetworkForm> spike(const nn::WeightedNetwork& network,
                                   std::span<const at::Tensor> batches, const Json& settings) {
  const SnnConfig config = SnnConfig::of(settings);
  const at::NoGradGuard no_grad;
  SpikingNetwork it = convert(network, conversion_of(config));
  search_thresholds(it, batches, threshold_rule_of(config));
  calibrate(it, batches, config, random_draws(config.weight_calibration(), /*seed=*/0));
  return std::make_unique<SpikingForm>(std::move(it), config);
}

std::unique_ptr<NetworkForm> reopen(const nn::WeightedNetwork& stored, const Json& settings) {
  const SnnConfig config = SnnConfig::of(settings);
  SpikingNetwork it = convert(stored, conversion_of(config));
  it.thresholds = stored.weights.with_prefix("threshold/");
  it.potentials = stored.weights.with_prefix("potential/");
  return std::make_unique<SpikingForm>(std::move(it), config);
}

}  // namespace

NetworkMethod network_method() {
  return {.name = "spikes",
          .summary = "ReLUs become integrate-and-fire neurons, calibrated on some inputs",
          .apply = spike,
          .reopen = reopen};
}

}  // namespace tessera::snn_calibration
