#include "tessera/systems/snn_calibration/model.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include "tessera/core/rng.h"
#include "tessera/nn/convnet/init.h"
#include "tessera/nn/convnet/names.h"

namespace tessera::snn_calibration {
namespace {

nn::Initialisation initialisation_of(const std::string& arch) {
  if (arch == "vgg" || arch == "resnet") return nn::Initialisation::kFanOut;
  if (arch == "resnet_deep_stem") return nn::Initialisation::kKaimingFanOut;
  if (arch == "vgg_fc") return nn::Initialisation::kFanOutSmallLinear;
  return nn::Initialisation::kTorch;
}

}  // namespace

SourceNetwork::SourceNetwork(const SnnConfig& config)
    : config_(config), net_(snn_calibration::network(config), *this) {
  const at::NoGradGuard no_grad;
  load_weights(*this, nn::draw_weights(network(), initialisation_of(config.arch)));
}

at::Tensor SourceNetwork::forward(const at::Tensor& x) const {
  const nn::Mode mode = is_training() ? nn::Mode::kTrain : nn::Mode::kEvaluate;
  const nn::Shape& own = network().input;
  const bool is_resized = x.dim() == 4 && x.size(1) == own.channels &&
                          (x.size(2) != own.height || x.size(3) != own.width);
  if (!is_resized) return net_.forward(x, mode);
  // evaluate() checks that the weights are those of a network of this size.
  nn::Network resized = network();
  resized.input.height = x.size(2);
  resized.input.width = x.size(3);
  TensorMap weights;
  for (const auto& item : named_parameters()) weights.set(item.key(), item.value());
  for (const auto& item : named_buffers()) weights.set(item.key(), item.value());
  return nn::evaluate(resized, weights, x, mode);
}

nn::WeightedNetwork SourceNetwork::merged() const {
  return {.network = network(), .weights = weights_of(*this)};
}

TensorMap SourceNetwork::run(const TensorMap& inputs) {
  TensorMap outputs{{"logits", forward(inputs.at("x"))}};
  if (is_training()) {
    for (const auto& item : named_buffers()) {
      outputs.set("buffer_after/" + item.key(), item.value());
    }
  }
  return outputs;
}

std::shared_ptr<SourceNetwork> make_model(const SnnConfig& config) {
  config.validate();
  return std::make_shared<SourceNetwork>(config);
}

Conversion conversion_of(const SnnConfig& config) {
  return {.time_steps = config.time_steps, .shift = config.shift};
}

ThresholdRule threshold_rule_of(const SnnConfig& config) {
  using Kind = ThresholdRule::Kind;
  return {.kind = config.threshold_mode == "max"   ? Kind::kMax
                  : config.threshold_mode == "mse" ? Kind::kMse
                                                   : Kind::kPercentile,
          .percentile = config.percentile.value_or(1),
          .channel_wise = config.channel_wise,
          .momentum = config.threshold_momentum,
          // The authors' loop looks at its counter after the pass.
          .batches = config.threshold_iters + 2};
}

CalibrationLog calibrate(SpikingNetwork& it, std::span<const at::Tensor> batches,
                         const SnnConfig& config, const DrawIndex& draw,
                         const std::function<void()>& after_weights) {
  CalibrationLog log;
  if (config.calib == "weights" || config.calib == "advanced") {
    const WeightCalibration rules = config.weight_calibration();
    log.weights = calibrate_weights(
        it, first_images(batches, rules.num_samples),
        {.lr = rules.lr, .iters = rules.iters, .batch_size = rules.batch_size}, draw);
    if (after_weights) after_weights();
  }
  if (config.calib == "light") log.biases = calibrate_bias(it, batches.front());
  if (config.calib == "potential" || config.calib == "advanced") {
    log.potentials = calibrate_potential(it, batches.front());
  }
  return log;
}

DrawIndex random_draws(const WeightCalibration& rules, uint64_t seed) {
  return [rules, seed](const std::string& neuron) {
    auto generator = at::detail::createCPUGenerator(stream_seed(seed, neuron));
    std::vector<at::Tensor> draws;
    for (int64_t k = 0; k < rules.iters; ++k) {
      draws.push_back(
          at::randperm(rules.num_samples, generator, at::kLong).narrow(0, 0, rules.batch_size));
    }
    return at::stack(draws);
  };
}

TensorMap from_authors(const TensorMap& theirs, const SnnConfig& config) {
  TensorMap renamed = nn::without_counters(theirs);
  if (config.arch == "vgg_fc") {
    // The converted network's names of the three linear layers.
    TensorMap plain;
    for (const auto& [name, tensor] : renamed) {
      std::string own = name;
      for (const auto& [from, to] : {std::pair{"classifier.fc1.", "classifier.0."},
                                     std::pair{"classifier.fc2.", "classifier.3."},
                                     std::pair{"classifier.fc3.", "classifier.6."}}) {
        const size_t at = own.find(from);
        if (at != std::string::npos) own.replace(at, std::string_view(from).size(), to);
      }
      plain.set(own, tensor);
    }
    renamed = plain;
  }
  return nn::import_weights(network(config), renamed);
}

}  // namespace tessera::snn_calibration
