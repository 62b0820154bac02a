#include "tessera/systems/zoo_tuning/config.h"

#include <array>
#include <string_view>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/nn/convnet/builder.h"
#include "tessera/nn/convnet/methods.h"
#include "tessera/nn/convnet/networks.h"
#include "tessera/nn/convnet/presets.h"

namespace tessera::zoo_tuning {
namespace {

constexpr const char* kTiny = "tiny";

[[noreturn]] void refuse(const std::string& rule, const std::string& got, const std::string& next,
                         const char* id) {
  fail<InvalidArgument>({.where = "zoo_tuning", .rule = rule, .got = got, .next = next, .id = id});
}

/// The ResNets whose stages 1 and 2 the authors' builder leaves without an alignment.
bool has_imagenet_stages(const std::string& network) {
  constexpr std::array<std::string_view, 4> kNames = {"resnet18", "resnet34", "resnet34_deep_stem",
                                                      "resnet50"};
  return std::ranges::find(kNames, network) != kNames.end();
}

nn::Network bottleneck(const ZooConfig& config) {
  const int64_t out = config.width * config.expansion;
  const int64_t size = config.image_size.value_or(28);
  nn::NetworkBuilder net("bottleneck",
                         {.channels = config.in_channels, .height = size, .width = size});
  net.conv("conv1", config.width, 1).batch_norm("bn1").relu("relu1");
  net.conv("conv2", config.width, 3, {.stride = config.stride, .padding = 1});
  net.batch_norm("bn2").relu("relu2").conv("conv3", out, 1).batch_norm("bn3");
  std::string shortcut{nn::kInput};
  if (config.downsample) {
    const std::string main_path = net.last();
    net.from(shortcut).conv("downsample.0", out, 1, {.stride = config.stride});
    shortcut = net.batch_norm("downsample.1").last();
    net.from(main_path);
  }
  return net.add("add", shortcut).relu("relu").build();
}

nn::Network tiny(const ZooConfig& config) {
  const int64_t size = config.image_size.value_or(32);
  return nn::resnet(kTiny,
                    {.input = {.channels = config.in_channels, .height = size, .width = size},
                     .num_classes = config.num_classes.value_or(0),
                     .stem = nn::Stem::kImageNet,
                     .stem_width = config.channels,
                     .widths = {config.channels},
                     .blocks = {2},
                     .strides = {2},
                     .is_bottleneck = true});
}

nn::Network named(const ZooConfig& config) {
  nn::Network network = nn::networks().at(config.network).make();
  if (config.network == "lenet" && !config.widths.empty()) {
    network = nn::lenet(network.input, 10, config.widths);
  }
  network.input.channels = config.in_channels;
  if (config.image_size) network.input.height = network.input.width = *config.image_size;
  const size_t head = nn::output_layer(network);
  const bool has_head = head != nn::Network::npos && head + 1 == network.layers.size();
  if (config.num_classes && has_head) {
    network.layers[head].out_channels = *config.num_classes;
  } else if (has_head) {
    network = nn::without_classifier(std::move(network));
  } else if (config.num_classes) {
    refuse("a network with classes ends in a classifier", config.network, "", "T-ZOO-03");
  }
  return network;
}

void set_norm(const ZooConfig& config, nn::Network& network) {
  for (nn::Layer& layer : network.layers) {
    layer.eps = config.norm_eps;
    layer.momentum = config.norm_momentum;
  }
}

}  // namespace

ZooConfig ZooConfig::of(const Json& values) {
  ZooConfig config;
  read_config(config, values, "model");
  return config;
}

void ZooConfig::fields(FieldList& list) {
  list("layer", layer,
       {.help = "one aggregated layer, not a network",
        .one_of = {"zoo_conv2d", "zoo_linear"},
        .authors_name = "AdaAggLayer"});
  list(
      "block", block,
      {.help = "one block, not a network", .one_of = {"bottleneck"}, .authors_name = "Bottleneck"});
  list("network", network,
       {.help = "the architecture of the sources: tiny, or a name of `tessera info network`"});
  list("method", method,
       {.help = "zoo: aggregated layers; plain: one network, freshly drawn or a source; ensemble: "
                "all sources, the mean of their outputs; average: the sources' mean weights; "
                "distillation: one source that a trained ensemble teaches",
        .one_of = {"zoo", "plain", "ensemble", "average", "distillation"}});
  list("pool", pool,
       {.help = "of the network: max where it has maximum pools; average puts average pools of the "
                "same windows in their place, which a network needs that is to spike",
        .one_of = {"max", "average"}});
  list("num_sources", num_sources,
       {.help = "models in the zoo", .min = 1, .authors_name = "experts"});
  list("align", align,
       {.help = "a learnable map of output channels for each source", .authors_name = "align"});
  list("align_all", align_all,
       {.help = "align every convolution, as the paper draws it, not only where the code does"});
  list("lite", lite,
       {.help = "gates averaged over the batch, and over time for inference",
        .authors_name = "--lite"});
  list("lite_momentum", lite_momentum,
       {.help = "share of a batch in that average",
        .min = 0,
        .max = 1,
        .min_exclusive = true,
        .authors_name = "m"});
  list("downsample_lite", downsample_lite,
       {.help = "lite shortcuts too, so that the whole network folds into a plain one"});
  list("in_channels", in_channels,
       {.help = "channels of the input (1 for lenet)", .min = 1, .authors_name = "in_planes"});
  list("num_classes", num_classes,
       {.help = "classes of the target; none ends in the features",
        .min = 2,
        .authors_name = "class_num"});
  list("image_size", image_size,
       {.help = "rows and columns that folded networks and costs are described for; none is the "
                "network's own",
        .unit = "pixels",
        .min = 1});
  list("norm", norm, {.help = "after each convolution", .one_of = {"batch"}});
  list("norm_eps", norm_eps, {.help = "added to the variance", .min = 0});
  list("norm_momentum", norm_momentum,
       {.help = "share of a batch in the running statistics", .min = 0, .max = 1});
  list("out_channels", out_channels,
       {.help = "layer: channels of the output", .min = 1, .authors_name = "out_planes"});
  list("kernel_size", kernel_size,
       {.help = "layer: rows and columns of a kernel", .min = 1, .authors_name = "kernel_size"});
  list("stride", stride, {.help = "layer, block", .min = 1, .authors_name = "stride"});
  list("padding", padding, {.help = "layer", .min = 0, .authors_name = "padding"});
  list("dilation", dilation, {.help = "layer", .min = 1, .authors_name = "dilation"});
  list("groups", groups, {.help = "layer", .min = 1, .authors_name = "groups"});
  list("bias", bias,
       {.help = "layer: a gated bias for each source (0 at first)", .authors_name = "bias"});
  list("width", width,
       {.help = "block: of the first two convolutions", .min = 1, .authors_name = "planes"});
  list("expansion", expansion, {.help = "block: output width over width", .min = 1});
  list("downsample", downsample, {.help = "block: an aggregated convolution in the shortcut"});
  list("channels", channels, {.help = "tiny: width of the stem and the bottlenecks", .min = 1});
  list("widths", widths, {.help = "lenet: of its convolutions; empty: 8, 16, 32", .min = 1});
  list("sources", sources,
       {.help = "weights of the zoo (safetensors), in order; empty: freshly drawn. Read when a "
                "training begins"});
  list("source", source, {.help = "plain, distillation: which of the sources", .min = 0});
  list("teacher", teacher, {.help = "distillation: weights of a trained ensemble (safetensors)"});
  list("temperature", temperature,
       {.help = "distillation: of teacher and student", .min = 0, .min_exclusive = true});
  list("distillation", distillation,
       {.help = "distillation: weight of the teacher's loss beside the labels'", .min = 0});
  list("training", training, {.help = "of a case: its mode; not read otherwise"});
}

void ZooConfig::choose_defaults(const Json& given) {
  const auto it = given.find("network");
  if (it != given.end() && *it == "lenet") in_channels = 1;
}

void ZooConfig::validate() const {
  if (layer && block) {
    refuse("a model is a layer, a block or a network", *layer + " and " + *block,
           "Leave one of model.layer and model.block out.", "T-ZOO-01");
  }
  if (layer) {
    if (in_channels % groups != 0 || out_channels % groups != 0) {
      refuse("groups divide the channels",
             std::to_string(in_channels) + " and " + std::to_string(out_channels) + " in " +
                 std::to_string(groups) + " groups",
             "", "T-ZOO-02");
    }
    return;
  }
  if (!sources.empty() && static_cast<int64_t>(sources.size()) != num_sources) {
    refuse("there is a file for each of " + std::to_string(num_sources) + " sources",
           std::to_string(sources.size()), "Set model.num_sources.", "T-ZOO-04");
  }
  if (method == "distillation" && !teacher) {
    refuse("distillation needs a teacher", "none", "Set model.teacher.", "T-ZOO-05");
  }
  if (!sources.empty() && source >= static_cast<int64_t>(sources.size())) {
    refuse("model.source is one of the " + std::to_string(sources.size()) + " sources",
           std::to_string(source), "", "T-ZOO-06");
  }
  // A network that does not fit its input is refused by the layer's name.
  plain_network(*this);
}

nn::Network plain_network(const ZooConfig& config) {
  nn::Network network = config.block              ? bottleneck(config)
                        : config.network == kTiny ? tiny(config)
                                                  : named(config);
  if (config.pool == "average") network = nn::with_average_pools(std::move(network));
  set_norm(config, network);
  nn::infer_shapes(network);
  return network;
}

nn::Network feature_network(const ZooConfig& config) {
  nn::Network network = plain_network(config);
  return config.num_classes && !config.block ? nn::without_classifier(std::move(network)) : network;
}

bool is_aligned(const ZooConfig& config, const nn::Layer& layer) {
  if (!config.align) return false;
  if (config.align_all) return true;
  const bool is_early = layer.name.starts_with("layer1.") || layer.name.starts_with("layer2.");
  return layer.kernel > 1 && !(has_imagenet_stages(config.network) && is_early);
}

bool is_lite(const ZooConfig& config, const nn::Layer& layer) {
  const bool is_shortcut = layer.name.find("downsample.") != std::string::npos;
  return config.lite && (!is_shortcut || config.downsample_lite);
}

}  // namespace tessera::zoo_tuning
