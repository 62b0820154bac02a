#include "tessera/nn/convnet/init.h"

#include <ATen/ATen.h>

#include <cmath>

namespace tessera::nn {
namespace {

/// Draws the tensors of a conv or linear layer; the widths of one unit.
struct Unit {
  int64_t in, out;
  bool is_conv;
};

at::Tensor draw_weight(const WeightSpec& spec, const Unit& unit, Initialisation rule,
                       const std::optional<at::Generator>& generator) {
  const auto uniform = [&](double bound) {
    return at::empty(spec.shape, at::kFloat).uniform_(-bound, bound, generator);
  };
  const auto normal = [&](double deviation) {
    return at::empty(spec.shape, at::kFloat).normal_(0, deviation, generator);
  };
  const auto in = static_cast<double>(unit.in), out = static_cast<double>(unit.out);
  switch (rule) {
    case Initialisation::kTorch:
      break;
    case Initialisation::kXavierRelu:
      return unit.is_conv ? uniform(std::sqrt(2.0) * std::sqrt(6 / (in + out))) : normal(0.01);
    case Initialisation::kFanOut:
      return unit.is_conv ? normal(std::sqrt(2 / out)) : normal(1 / in);
    case Initialisation::kKaimingFanOut:
      if (unit.is_conv) return normal(std::sqrt(2 / out));
      break;
    case Initialisation::kFanOutSmallLinear:
      return normal(unit.is_conv ? std::sqrt(2 / out) : 0.01);
  }
  return uniform(1 / std::sqrt(in));
}

bool has_zero_bias(Initialisation rule, bool is_conv) {
  switch (rule) {
    case Initialisation::kTorch:
      return false;
    case Initialisation::kXavierRelu:
    case Initialisation::kFanOutSmallLinear:
      return true;
    case Initialisation::kFanOut:
      return !is_conv;
    case Initialisation::kKaimingFanOut:
      return is_conv;
  }
  return false;
}

}  // namespace

TensorMap draw_weights(const Network& network, Initialisation rule,
                       std::optional<at::Generator> generator) {
  TensorMap weights;
  Unit unit{};
  for (const WeightSpec& spec : weight_specs(network)) {
    const Layer& layer = network.layers[spec.layer];
    const bool is_weight = spec.name.ends_with(".weight");
    if (layer.kind == LayerKind::kBatchNorm) {
      const bool is_one = is_weight || spec.name.ends_with(".running_var");
      weights.set(spec.name, is_one ? at::ones(spec.shape) : at::zeros(spec.shape));
    } else if (is_weight) {
      const int64_t area = layer.kind == LayerKind::kConv ? layer.kernel * layer.kernel : 1;
      unit = {.in = spec.shape[1] * area,
              .out = spec.shape[0] * area,
              .is_conv = layer.kind == LayerKind::kConv};
      weights.set(spec.name, draw_weight(spec, unit, rule, generator));
    } else if (has_zero_bias(rule, unit.is_conv)) {
      weights.set(spec.name, at::zeros(spec.shape));
    } else {
      // A bias follows its weight and has its fan-in.
      const double bound = 1 / std::sqrt(static_cast<double>(unit.in));
      weights.set(spec.name, at::empty(spec.shape, at::kFloat).uniform_(-bound, bound, generator));
    }
  }
  return weights;
}

}  // namespace tessera::nn
