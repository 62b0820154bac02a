#include "tessera/systems/snn_calibration/procedures.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>

#include "tessera/core/error.h"
#include "tessera/nn/convnet/names.h"
#include "tessera/ops/if_neuron.h"
#include "tessera/ops/mmse_threshold_search.h"
#include "tessera/systems/snn_calibration/model.h"

namespace tessera::snn_calibration {
namespace {

[[noreturn]] void refuse_argument(const char* procedure, const std::string& rule,
                                  const std::string& got) {
  fail<InvalidArgument>({.where = procedure, .rule = rule, .got = got, .id = "T-SNN-40"});
}

/// The argument `key`, or `otherwise` where it is absent or null.
template <class T>
T argument(const Json& config, const char* key, const char* procedure, T otherwise) {
  if (!config.contains(key) || config[key].is_null()) return otherwise;
  try {
    return config[key].get<T>();
  } catch (const Json::exception&) {
    refuse_argument(procedure, std::string("\"") + key + "\" has its type", config[key].dump());
  }
}

/// The keys of a procedure's configuration that are the model's.
Json model_keys(const Json& config) {
  SnnConfig known;
  const Json fields = write_config(known);
  Json values = Json::object();
  for (const auto& [key, value] : config.items()) {
    if (fields.contains(key)) values[key] = value;
  }
  return values;
}

// ---- fold_batch_norm ----------------------------------------------------------------------------

/// The value for `variant` of a table with "others"; or the one number for all.
double of_variant(const Json& config, const char* key, const std::string& variant,
                  double otherwise) {
  if (!config.contains(key)) return otherwise;
  const Json& table = config[key];
  const Json value = !table.is_object()        ? table
                     : table.contains(variant) ? table[variant]
                                               : table.value("others", Json(otherwise));
  if (!value.is_number())
    refuse_argument("fold_batch_norm", std::string(key) + " is a number", value.dump());
  return value.get<double>();
}

TensorMap fold_variant(const Json& config, const TensorMap& inputs, const std::string& variant) {
  const auto weight_of = [&](const std::string& name) {
    return inputs.get("weight/" + variant + name);
  };
  const at::Tensor weight = inputs.at("weight/" + variant + ".conv.weight");
  const at::Tensor mean = inputs.at("buffer/" + variant + ".bn.running_mean"),
                   variance = inputs.at("buffer/" + variant + ".bn.running_var");
  const bool is_linear = weight.dim() == 2;
  const auto groups = static_cast<int64_t>(of_variant(config, "groups", variant, 1));
  const at::Tensor* x = inputs.find("input/" + variant + "/x");
  if (!x) x = inputs.find(variant + "/x");
  if (!x) x = inputs.find("x");
  const int64_t kernel = is_linear ? 1 : weight.size(2);
  const nn::Layer layer{.name = "conv",
                        .kind = is_linear ? nn::LayerKind::kLinear : nn::LayerKind::kConv,
                        .inputs = {std::string(nn::kInput)},
                        .out_channels = weight.size(0),
                        .kernel = kernel,
                        .stride = static_cast<int64_t>(of_variant(config, "stride", variant, 1)),
                        .padding = static_cast<int64_t>(of_variant(
                            config, "padding", variant, static_cast<double>(kernel / 2))),
                        .groups = is_linear ? 1 : groups,
                        .has_bias = weight_of(".conv.bias").defined()};
  nn::Network network{.name = variant,
                      .input = {.channels = weight.size(1) * layer.groups,
                                .height = is_linear || !x ? 1 : x->size(2),
                                .width = is_linear || !x ? 1 : x->size(3),
                                .is_flat = is_linear},
                      .layers = {layer}};
  if (!is_linear && !x) network.input.height = network.input.width = kernel;
  network.layers.push_back({.name = "bn",
                            .kind = nn::LayerKind::kBatchNorm,
                            .inputs = {"conv"},
                            .eps = of_variant(config, "eps", variant, 1e-5)});
  // Without an affine part γ is 1 and β is 0.
  const at::Tensor gamma = weight_of(".bn.weight"), beta = weight_of(".bn.bias");
  TensorMap weights{{"conv.weight", weight},
                    {"bn.weight", gamma.defined() ? gamma : at::ones_like(mean)},
                    {"bn.bias", beta.defined() ? beta : at::zeros_like(mean)},
                    {"bn.running_mean", mean},
                    {"bn.running_var", variance}};
  if (layer.has_bias) weights.set("conv.bias", weight_of(".conv.bias"));
  const nn::WeightedNetwork folded = nn::fold_batch_norm({network, weights});
  TensorMap outputs{{variant + "/weight", folded.weights.at("conv.weight")},
                    {variant + "/bias", folded.weights.at("conv.bias")}};
  if (x) outputs.set(variant + "/y", nn::evaluate(folded.network, folded.weights, *x));
  return outputs;
}

TensorMap fold_batch_norm(const Json& config, const TensorMap& inputs) {
  constexpr std::string_view kPrefix = "weight/", kSuffix = ".conv.weight";
  TensorMap outputs;
  for (const auto& [name, tensor] : inputs) {
    if (!name.starts_with(kPrefix) || !name.ends_with(kSuffix)) continue;
    outputs.merge(
        fold_variant(config, inputs,
                     name.substr(kPrefix.size(), name.size() - kPrefix.size() - kSuffix.size())));
  }
  if (outputs.empty())
    refuse_argument("fold_batch_norm", "there is a <variant>.conv.weight", "none");
  return outputs;
}

// ---- if_neuron ----------------------------------------------------------------------------------

/// The groups of a convolution by its shapes, where nothing names them: x is (T, N, C, H, W).
int64_t groups_of(const at::Tensor& weight, const at::Tensor& x) {
  if (weight.dim() != 4 || x.dim() != 5 || x.size(2) % weight.size(1) != 0) return 1;
  return x.size(2) / weight.size(1);
}

/// Stride and padding of the convolution where the configuration leaves them out: torch's, or what
/// leaves the size that the potential or the residual has.
std::pair<int64_t, int64_t> window_of(const at::Tensor& weight, const TensorMap& inputs,
                                      int64_t dilation) {
  const at::Tensor& x = inputs.at("current_input");
  const at::Tensor* out = inputs.find("residual");
  if (!out) out = inputs.find("potential_init");
  if (weight.dim() != 4 || x.dim() != 5 || !out || out->dim() < 4) return {1, 0};
  for (int64_t stride = 1; stride <= x.size(-1); ++stride) {
    for (int64_t padding = 0; padding < weight.size(-1); ++padding) {
      const auto extent = [&](int64_t axis) {
        return (x.size(axis) + 2 * padding - dilation * (weight.size(axis) - 1) - 1) / stride + 1;
      };
      if (extent(-1) == out->size(-1) && extent(-2) == out->size(-2)) return {stride, padding};
    }
  }
  return {1, 0};
}

TensorMap if_neuron(const Json& config, const TensorMap& inputs) {
  constexpr const char* kName = "if_neuron";
  const at::Tensor& x = inputs.at("current_input");
  const at::Tensor weight = inputs.at("weight/weight");
  const bool is_linear = weight.dim() == 2;
  const auto steps = argument<int64_t>(config, "time_steps", kName, x.size(0));
  if (steps < 1) refuse_argument(kName, "time_steps is at least 1", std::to_string(steps));
  const auto dilation = argument<int64_t>(config, "dilation", kName, 1);
  const auto [stride, padding] = window_of(weight, inputs, dilation);
  const nn::Layer layer{.name = "layer",
                        .kind = is_linear ? nn::LayerKind::kLinear : nn::LayerKind::kConv,
                        .out_channels = weight.size(0),
                        .stride = argument<int64_t>(config, "stride", kName, stride),
                        .padding = argument<int64_t>(config, "padding", kName, padding),
                        .dilation = dilation,
                        .groups = argument<int64_t>(config, "groups", kName, groups_of(weight, x))};
  const std::vector<at::Tensor> in{x.flatten(0, 1)};
  const at::Tensor z = nn::apply(layer, {.weight = weight, .bias = inputs.get("weight/bias")}, in,
                                 nn::Mode::kEvaluate);
  const at::Tensor* residual = inputs.find("residual");
  const at::Tensor current = residual ? z + residual->flatten(0, 1) : z;
  at::Tensor threshold = inputs.at("threshold");
  if (threshold.numel() > 1 && threshold.dim() == 1) {
    threshold = is_linear ? threshold.view({1, -1}) : threshold.view({1, -1, 1, 1});
  }
  const bool shift = argument<bool>(config, "shift", kName, true);
  const ops::IfNeuronResult result = ops::if_neuron(
      current, threshold, inputs.get("potential_init"),
      {.steps = x.size(0), .shift_steps = shift ? steps : 0, .keeps_membranes = true});
  const auto by_step = [&](const at::Tensor& all) {
    return all.contiguous().unflatten(0, {x.size(0), x.size(1)});
  };
  return {{"spike", by_step(result.spikes)},
          {"membrane", by_step(result.membranes)},
          {"ann_output", by_step(at::relu(current))}};
}

// ---- threshold_search ---------------------------------------------------------------------------

TensorMap threshold_search(const Json& config, const TensorMap& inputs) {
  constexpr const char* kName = "threshold_search";
  const auto steps = argument<int64_t>(config, "time_steps", kName, 32);
  const auto percentile = argument<double>(config, "percentile", kName, 0.99);
  const auto momentum = argument<double>(config, "threshold_momentum", kName, 0.9);
  const at::Tensor& all = inputs.at("activation");
  using Kind = ThresholdRule::Kind;
  const auto rule = [&](Kind kind, bool channel_wise = false) {
    return ThresholdRule{.kind = kind, .percentile = percentile, .channel_wise = channel_wise};
  };
  const ops::ThresholdSearch search = ops::mmse_threshold_search(all[0], steps, false);
  TensorMap outputs{{"candidates", search.candidates},
                    {"mse", search.scores},
                    {"best_index", at::where(search.scores.isnan(),
                                             std::numeric_limits<double>::infinity(), search.scores)
                                       .argmin()},
                    {"threshold_mse", search.threshold},
                    {"threshold_mse_channel", threshold_of(all[0], rule(Kind::kMse, true), steps)},
                    {"threshold_max", threshold_of(all[0], rule(Kind::kMax), steps)},
                    {"threshold_percentile", threshold_of(all[0], rule(Kind::kPercentile), steps)}};
  const std::vector<std::pair<std::string, ThresholdRule>> rules = {
      {"mse", rule(Kind::kMse)},
      {"max", rule(Kind::kMax)},
      {"percentile", rule(Kind::kPercentile)},
      {"mse_channel", rule(Kind::kMse, true)}};
  for (const auto& [name, of] : rules) {
    at::Tensor ema, most;
    std::vector<at::Tensor> emas, mosts;
    for (int64_t i = 0; i < all.size(0); ++i) {
      const at::Tensor now = threshold_of(all[i], of, steps);
      ema = combined(ema, now, momentum);
      most = combined(most, now, {});
      emas.push_back(ema);
      mosts.push_back(most);
    }
    outputs.set("history/" + name + "_ema", at::stack(emas));
    outputs.set("history/" + name + "_running_max", at::stack(mosts));
  }
  return outputs;
}

// ---- calibrate ----------------------------------------------------------------------------------

/// The names that the authors' converted vgg_fc gives the linear layers, where they differ.
std::string converted_name(const SnnConfig& config, const std::string& name) {
  if (config.arch != "vgg_fc") return name;
  for (const auto& [own, theirs] :
       {std::pair{"classifier.0", "classifier.fc1"}, std::pair{"classifier.3", "classifier.fc2"},
        std::pair{"classifier.6", "classifier.fc3"}}) {
    if (name == own) return theirs;
    if (name.starts_with(std::string(own) + ".")) {
      return theirs + name.substr(std::string_view(own).size());
    }
  }
  return name;
}

/// Outputs under our names and, where they differ, under the converted network's too.
class Named {
 public:
  Named(const SnnConfig& config, TensorMap& outputs) : config_(config), outputs_(outputs) {}
  void set(const std::string& group, const std::string& layer, const std::string& rest,
           const at::Tensor& value) {
    outputs_.set(group + layer + rest, value);
    outputs_.set(group + converted_name(config_, layer) + rest, value);
  }

 private:
  const SnnConfig& config_;
  TensorMap& outputs_;
};

void write_corrections(Named& out, const std::string& group, const char* what,
                       const std::vector<Correction>& corrections) {
  for (const Correction& seen : corrections) {
    out.set(group, seen.neuron, "/ann_mean", seen.ann_mean);
    out.set(group, seen.neuron, "/snn_mean", seen.snn_mean);
    out.set(group, seen.neuron, "/mse_before", seen.mse_before);
    out.set(group, seen.neuron, std::string("/") + what, seen.corrected);
  }
}

/// Indices that the case holds; where it holds none, drawn from `seed`.
DrawIndex draws_of(const Json& config, const SnnConfig& model, const TensorMap& inputs) {
  const WeightCalibration rules = model.weight_calibration();
  const DrawIndex drawn =
      random_draws(rules, static_cast<uint64_t>(argument<int64_t>(config, "seed", "calibrate", 0)));
  return [&inputs, model, drawn](const std::string& neuron) {
    for (const std::string& name : {neuron, converted_name(model, neuron)}) {
      if (const at::Tensor* index = inputs.find("weight_calib_index/" + name)) return *index;
    }
    return drawn(neuron);
  };
}

TensorMap calibrate_network(const Json& config, const TensorMap& inputs) {
  const at::Tensor& calib = inputs.at("calib");
  const at::Tensor& test = inputs.at("test");
  Json keys = model_keys(config);
  if (calib.dim() != 5 || calib.size(0) < 1) {
    refuse_argument("calibrate", "calib is [batches, B, C, H, W] of at least one batch",
                    c10::str(calib.sizes()));
  }
  TensorMap weights = inputs.with_prefix("weight/");
  weights.merge(inputs.with_prefix("buffer/"));
  keys.update(SnnConfig().told(keys, inputs, weights));
  const SnnConfig model = SnnConfig::of(keys);
  const nn::WeightedNetwork source{network(model), from_authors(weights, model)};
  const std::vector<at::Tensor> batches = calib.unbind(0);

  SpikingNetwork it = convert(source, conversion_of(model));
  TensorMap outputs;
  Named out(model, outputs);
  {
    const at::NoGradGuard no_grad;
    outputs.set("ann_logits_unfolded", nn::evaluate(source.network, source.weights, test));
  }
  outputs.set("ann_logits", ann_logits(it, test));
  for (const auto& [name, tensor] : it.ann) out.set("folded/", name, "", tensor);
  search_thresholds(it, batches, threshold_rule_of(model));
  for (const auto& [name, threshold] : it.thresholds) out.set("threshold/", name, "", threshold);
  outputs.set("snn_logits_uncalibrated", simulate(it, test).logits);

  const CalibrationLog log = calibrate(it, batches, model, draws_of(config, model, inputs), [&] {
    outputs.set("snn_logits_after_weights", simulate(it, test).logits);
  });
  for (const WeightFit& fit : log.weights) {
    out.set("weight_calib/", fit.neuron, "/losses", fit.losses);
    out.set("weight_calib/", fit.neuron, "/weight", fit.weight);
  }
  write_corrections(out, "bias_calib/", "bias", log.biases);
  write_corrections(out, "potential_calib/", "potential", log.potentials);

  const SpikingRun run =
      simulate(it, test, {.step_logits = true, .firing_rates = true, .traces = true});
  outputs.set("snn_logits", run.logits);
  outputs.set("snn_step_logits", run.step_logits);
  for (const auto& [name, rate] : run.firing_rates) out.set("firing_rate/", name, "", rate);
  for (const auto& [name, spike] : run.spikes) {
    out.set("trace/", name, "/spike", spike);
    out.set("trace/", name, "/membrane", run.membranes.at(name));
  }
  const Energy spent = energy(it, run, model.e_mac_pj, model.e_ac_pj);
  outputs.set("energy/ann_pj", at::scalar_tensor(spent.ann_pj, at::kDouble));
  outputs.set("energy/snn_pj", at::scalar_tensor(spent.snn_pj, at::kDouble));
  outputs.set("energy/ann_macs", at::scalar_tensor(spent.ann_macs, at::kDouble));
  outputs.set("energy/first_macs", at::scalar_tensor(spent.first_macs, at::kDouble));
  outputs.set("energy/spike_ops", at::scalar_tensor(spent.spike_ops, at::kDouble));
  return outputs;
}

}  // namespace

std::vector<Procedure> procedures() {
  return {{.name = "fold_batch_norm",
           .summary = "weights, biases and outputs of layers with their batch norm folded in",
           .run = fold_batch_norm},
          {.name = "if_neuron",
           .summary = "spikes and membranes of one spiking layer, step by step",
           .run = if_neuron},
          {.name = "threshold_search",
           .summary = "thresholds of activations by every rule, and over batches",
           .run = threshold_search},
          {.name = "calibrate",
           .summary = "conversion, threshold search and calibration of a network",
           .run = calibrate_network}};
}

}  // namespace tessera::snn_calibration
