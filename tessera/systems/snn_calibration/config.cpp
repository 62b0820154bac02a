#include "tessera/systems/snn_calibration/config.h"

#include <algorithm>
#include <cmath>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/nn/convnet/presets.h"
#include "tessera/systems/snn_calibration/refuse.h"

namespace tessera::snn_calibration {
namespace {

const std::vector<std::string> kArchitectures = {"vgg", "resnet", "resnet_deep_stem", "vgg_fc",
                                                 "mobilenet_v1"};

std::vector<int64_t> plan_of(const Json& plan) {
  std::vector<int64_t> widths;
  for (const Json& entry : plan.is_array() ? plan : Json::array()) {
    if (entry == "M") {
      widths.push_back(nn::kPool);
    } else if (entry.is_number_integer() && entry.get<int64_t>() >= 1) {
      widths.push_back(entry.get<int64_t>());
    } else {
      refuse("conv_plan holds widths of at least 1 and \"M\" for a pool", entry.dump(), "T-SNN-01");
    }
  }
  if (std::ranges::none_of(widths, [](int64_t width) { return width != nn::kPool; })) {
    refuse("conv_plan is a list with at least one convolution", plan.dump(), "T-SNN-01");
  }
  return widths;
}

/// (inner, outer) width of the stem; both are one number but for the deep stem.
std::pair<int64_t, int64_t> stem_of(const Json& stem) {
  const bool is_one = stem.is_number_integer() && stem.get<int64_t>() >= 1;
  if (is_one) return {stem.get<int64_t>(), stem.get<int64_t>()};
  const bool is_two = stem.is_array() && stem.size() == 2 && stem[0].is_number_integer() &&
                      stem[1].is_number_integer() && stem[0].get<int64_t>() >= 1 &&
                      stem[1].get<int64_t>() >= 1;
  if (!is_two) {
    refuse("stem_width is a width of at least 1, or two of them for the deep stem", stem.dump(),
           "T-SNN-02");
  }
  return {stem[0].get<int64_t>(), stem[1].get<int64_t>()};
}

/// (rows, columns) of an image.
std::pair<int64_t, int64_t> size_of(const Json& size) {
  const auto is_side = [](const Json& side) {
    return side.is_number_integer() && side.get<int64_t>() >= 1;
  };
  if (is_side(size)) return {size.get<int64_t>(), size.get<int64_t>()};
  if (!size.is_array() || size.size() != 2 || !is_side(size[0]) || !is_side(size[1])) {
    refuse("image_size is a side of at least 1 pixel, or [rows, columns]", size.dump(), "T-SNN-18");
  }
  return {size[0].get<int64_t>(), size[1].get<int64_t>()};
}

std::vector<nn::MobileNetOptions::Unit> units_of(const Json& plan) {
  std::vector<nn::MobileNetOptions::Unit> units;
  for (const Json& unit : plan.is_array() ? plan : Json::array()) {
    const bool is_pair = unit.is_array() && unit.size() == 2 && unit[0].is_number_integer() &&
                         unit[1].is_number_integer();
    if (!is_pair || unit[0].get<int64_t>() < 1 || (unit[1] != 1 && unit[1] != 2)) {
      refuse("dw_plan holds pairs of a width of at least 1 and a stride of 1 or 2", unit.dump(),
             "T-SNN-03");
    }
    units.push_back({unit[0].get<int64_t>(), unit[1].get<int64_t>()});
  }
  if (units.empty()) refuse("dw_plan is a list of at least one unit", plan.dump(), "T-SNN-03");
  return units;
}

nn::Network residual(const SnnConfig& config, const nn::Shape& input) {
  const bool is_deep = config.arch == "resnet_deep_stem";
  const auto [inner, outer] = stem_of(config.stem_width);
  nn::ResNetOptions options{.input = input,
                            .num_classes = config.num_classes,
                            .stem = is_deep ? nn::Stem::kDeep : nn::Stem::kSmall,
                            .stem_width = outer,
                            .stem_inner_width = inner,
                            .stem_pool = nn::PoolKind::kAverage,
                            .widths = config.stage_widths,
                            .blocks = config.stage_blocks,
                            .is_bottleneck = config.block == "bottleneck",
                            .expansion = config.expansion,
                            .use_batch_norm = config.use_batch_norm};
  return nn::resnet(config.arch, options);
}

}  // namespace

SnnConfig SnnConfig::of(const Json& values) {
  SnnConfig config;
  read_config(config, values, "model");
  return config;
}

void SnnConfig::fields(FieldList& list) {
  list("arch", arch,
       {.help = "the source network", .one_of = kArchitectures, .authors_name = "--arch"});
  list("in_channels", in_channels, {.help = "channels of an image", .min = 1});
  list("image_size", image_size,
       {.help = "sides of an image, or [rows, columns] (vgg: where it is not given, what leaves "
                "the classifier 512 inputs, as the authors' always has)",
        .unit = "pixels"});
  list("num_classes", num_classes,
       {.help = "classes", .min = 1, .authors_name = "num_class, num_classes"});
  list("conv_plan", conv_plan,
       {.help = "vgg, vgg_fc: widths of the 3x3 convolutions, \"M\" an average pool",
        .authors_name = "cfg"});
  list("stem_width", stem_width,
       {.help =
            "resnet, mobilenet_v1 (32): width of the stem (deep stem: [inner, outer], 32 and 64)"});
  list("stage_widths", stage_widths, {.help = "resnet: width of each stage"});
  list("stage_blocks", stage_blocks,
       {.help = "resnet: blocks of each stage", .authors_name = "layers"});
  list("block", block, {.help = "resnet: the block", .one_of = {"basic", "bottleneck"}});
  list("expansion", expansion,
       {.help = "bottleneck: output width over stage width (4 there)", .min = 1});
  list("dw_plan", dw_plan, {.help = "mobilenet_v1: [width, stride] of each unit"});
  list("fc_hidden", fc_hidden, {.help = "vgg_fc: width of the hidden linear layers", .min = 1});
  list("use_batch_norm", use_batch_norm,
       {.help = "batch norm after every convolution", .authors_name = "--usebn"});
  list("time_steps", time_steps,
       {.help = "T of the spiking network",
        .unit = "steps",
        .min = 1,
        .authors_name = "sim_length"});
  list("shift", shift,
       {.help = "half a threshold more, spread over the steps", .authors_name = "enable_shift"});
  list("threshold_mode", threshold_mode,
       {.help = "the threshold of a layer: its maximum, a quantile, the least squared error",
        .one_of = {"max", "mse", "percentile"},
        .authors_name = "mse, percentile"});
  list("percentile", percentile,
       {.help = "quantile of threshold_mode percentile", .min = 0, .max = 1});
  list("channel_wise", channel_wise, {.help = "a threshold for each channel (mse alone)"});
  list("threshold_momentum", threshold_momentum,
       {.help = "of the mean over batches; none takes the maximum",
        .min = 0,
        .max = 1,
        .authors_name = "momentum"});
  list("threshold_iters", threshold_iters,
       {.help = "the search reads this number of batches and two more",
        .min = 0,
        .authors_name = "iters"});
  list("calib", calib,
       {.help = "what is corrected: nothing, biases, potentials, weights, weights and potentials",
        .one_of = {"none", "light", "potential", "weights", "advanced"},
        .authors_name = "--calib"});
  list("weight_calib", weight_calib,
       {.help = "lr (1e-5), iters (5000), batch_size (32), num_samples (1024)",
        .authors_name = "learning_rate, optimize_iter, batch_size, num_cali_samples"});
  list("e_mac_pj", e_mac_pj,
       {.help = "energy of a multiply-add", .unit = "pJ", .min = 0, .min_exclusive = true});
  list("e_ac_pj", e_ac_pj,
       {.help = "energy of an addition", .unit = "pJ", .min = 0, .min_exclusive = true});
}

void SnnConfig::choose_defaults(const Json& given) {
  const auto word = [&](const char* key, const std::string& otherwise) {
    const auto it = given.find(key);
    return it != given.end() && it->is_string() ? it->get<std::string>() : otherwise;
  };
  const std::string kind = word("arch", arch);
  if (kind == "resnet_deep_stem") {
    stem_width = {32, 64};
    stage_widths = {64, 128, 256, 512};
    stage_blocks = {3, 4, 6, 3};
  }
  if (kind == "mobilenet_v1") stem_width = 32;
  if (kind == "resnet_deep_stem" || kind == "vgg_fc" || kind == "mobilenet_v1") {
    image_size = 224;
    num_classes = 1000;
  }
  if (word("block", block) == "bottleneck") expansion = 4;
  if (kind != "vgg" || !given.contains("conv_plan")) return;
  int64_t pools = 0, width = 0;
  for (const int64_t entry : plan_of(given["conv_plan"])) {
    if (entry == nn::kPool) {
      ++pools;
    } else {
      width = entry;
    }
  }
  constexpr int64_t kFeatures = 512;
  const auto side = static_cast<int64_t>(
      std::lround(std::sqrt(static_cast<double>(kFeatures) / static_cast<double>(width))));
  if (pools < 20 && side >= 1 && side * side * width == kFeatures) image_size = side << pools;
}

Json SnnConfig::told(const Json& given, const TensorMap& inputs, const TensorMap& weights) const {
  Json told = Json::object();
  for (const char* name : {"x", "x_0", "calib"}) {
    const at::Tensor* images = inputs.find(name);
    if (given.contains("image_size") || !images || images->dim() < 4) continue;
    const int64_t rows = images->size(-2), columns = images->size(-1);
    told["image_size"] = rows == columns ? Json(rows) : Json{rows, columns};
  }
  const at::Tensor* stem = weights.find("model.0.0.weight");
  if (stem && stem->dim() == 4 && !given.contains("stem_width")) {
    told["stem_width"] = stem->size(0);
  }
  return told;
}

void SnnConfig::validate() const {
  plan_of(conv_plan);
  stem_of(stem_width);
  size_of(image_size);
  units_of(dw_plan);
  const bool is_residual = arch == "resnet" || arch == "resnet_deep_stem";
  const size_t stages = stage_widths.size();
  const auto is_positive = [](int64_t value) { return value >= 1; };
  if (is_residual && (stages != stage_blocks.size() || stages < 1 ||
                      !std::ranges::all_of(stage_widths, is_positive) ||
                      !std::ranges::all_of(stage_blocks, is_positive))) {
    refuse("stage_widths and stage_blocks are lists of one length, of numbers of at least 1",
           std::to_string(stages) + " and " + std::to_string(stage_blocks.size()), "T-SNN-04");
  }
  if (threshold_mode == "percentile" && !percentile) {
    refuse("threshold_mode percentile needs a percentile", "none", "T-SNN-05",
           "Set percentile, 0.999 say.");
  }
  if (channel_wise && threshold_mode != "mse") {
    refuse("channel_wise goes with threshold_mode mse", threshold_mode, "T-SNN-06");
  }
  if (threshold_momentum && *threshold_momentum >= 1) {
    refuse("threshold_momentum lies in [0, 1)", shortest(*threshold_momentum), "T-SNN-07");
  }
  weight_calibration();
  network(*this);
}

WeightCalibration SnnConfig::weight_calibration() const {
  WeightCalibration result;
  if (!weight_calib.is_object()) {
    refuse("weight_calib is a table", weight_calib.dump(), "T-SNN-08");
  }
  for (const auto& [key, value] : weight_calib.items()) {
    const auto positive = [&](auto& field, bool is_whole) {
      if (!value.is_number() || (is_whole && !value.is_number_integer()) ||
          !(value.template get<double>() > 0)) {
        refuse("weight_calib." + key + " is above 0", value.dump(), "T-SNN-08");
      }
      field = value.template get<std::remove_reference_t<decltype(field)>>();
    };
    if (key == "lr") {
      positive(result.lr, false);
    } else if (key == "iters") {
      positive(result.iters, true);
    } else if (key == "batch_size") {
      positive(result.batch_size, true);
    } else if (key == "num_samples") {
      positive(result.num_samples, true);
    } else {
      refuse(
          "weight_calib has no key \"" + key + "\"", "", "T-SNN-08",
          did_you_mean(key, std::vector<std::string>{"lr", "iters", "batch_size", "num_samples"}));
    }
  }
  if (result.num_samples % result.batch_size != 0) {
    refuse("weight_calib.num_samples is a multiple of weight_calib.batch_size",
           std::to_string(result.num_samples) + " and " + std::to_string(result.batch_size),
           "T-SNN-09");
  }
  return result;
}

nn::Network network(const SnnConfig& config) {
  const auto [rows, columns] = size_of(config.image_size);
  const nn::Shape input{.channels = config.in_channels, .height = rows, .width = columns};
  if (config.arch == "vgg") {
    return nn::vgg({.input = input,
                    .num_classes = config.num_classes,
                    .plan = plan_of(config.conv_plan),
                    .use_batch_norm = config.use_batch_norm});
  }
  if (config.arch == "vgg_fc") {
    return nn::vgg_fc({.input = input,
                       .num_classes = config.num_classes,
                       .plan = plan_of(config.conv_plan),
                       .use_batch_norm = config.use_batch_norm,
                       .hidden = config.fc_hidden});
  }
  if (config.arch == "mobilenet_v1") {
    nn::MobileNetOptions options{.input = input, .num_classes = config.num_classes};
    options.stem_width = stem_of(config.stem_width).second;
    options.units = units_of(config.dw_plan);
    return nn::mobilenet_v1(options);
  }
  return residual(config, input);
}

}  // namespace tessera::snn_calibration
