#include "tessera/systems/folded_cnn/config.h"

#include <cmath>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/nn/convnet/fold.h"
#include "tessera/nn/convnet/methods.h"
#include "tessera/nn/convnet/networks.h"
#include "tessera/nn/convnet/presets.h"

namespace tessera::folded_cnn {
namespace {

const std::vector<std::string> kArchitectures = {"game_cnn", "noscope_cnn", "folded_resnet18"};

const char* architecture_of(const nn::SpecialisedPreset& preset) {
  return preset.is_game ? "game_cnn" : "noscope_cnn";
}

void set_preset_defaults(FoldedCnnConfig& config, const nn::SpecialisedPreset& preset) {
  config.arch = architecture_of(preset);
  config.image_height = preset.image_height;
  config.image_width = preset.image_width;
  config.num_classes = preset.num_classes;
  config.num_units = preset.num_units;
  config.dense_dim = preset.dense_dim;
  config.base_filters = preset.base_filters;
  config.num_conv_layers = preset.num_conv_layers;
}

void set_architecture_defaults(FoldedCnnConfig& config, bool size_for_cifar) {
  if (config.arch == "noscope_cnn") {
    config.image_height = config.image_width = 50;
    config.num_classes = 2;
  } else if (config.arch == "folded_resnet18") {
    config.image_height = config.image_width = size_for_cifar ? 32 : 28;
    config.in_channels = size_for_cifar ? 3 : 1;
    config.num_classes = 10;
  }
}

/// The word at `key`, empty where it is absent or not a word (refused where the key is read).
std::string word(const Json& given, const char* key) {
  const auto it = given.find(key);
  return it != given.end() && it->is_string() ? it->get<std::string>() : "";
}

[[noreturn]] void refuse(const std::string& rule, const std::string& got, const std::string& next,
                         const char* id) {
  fail<InvalidArgument>({.where = "folded_cnn", .rule = rule, .got = got, .next = next, .id = id});
}

nn::Network resnet18(const FoldedCnnConfig& config, const nn::Shape& input) {
  nn::ResNetOptions options{.input = input, .num_classes = config.num_classes};
  if (!config.size_for_cifar) {
    options.widths = {64, 128, 256};
    options.blocks = {2, 2, 2};
  }
  options.pool_kernel = config.size_for_cifar ? 4 : 7;
  // The authors' original and teacher pool with a padding of 1 (README, difference 2): one window,
  // over the top-left part of the map and zeros. Their checkpoints need it.
  options.pool_padding = config.do_fold ? 0 : 1;
  return nn::resnet("folded_resnet18", options);
}

nn::Network game(const FoldedCnnConfig& config, nn::Shape input) {
  nn::GameOptions options{.num_classes = config.num_classes,
                          .first_channels = config.first_channels,
                          .unit_channels = config.unit_channels,
                          .last_channels = config.last_channels,
                          .num_units = config.num_units,
                          .convs_per_unit = config.convs_per_unit};
  if (config.compound_phi > 0) {
    const auto phi = static_cast<double>(config.compound_phi);
    const double scale = std::pow(1 / config.width_mult, phi);
    const double resolution = std::pow(1 / config.res_mult, phi);
    for (int64_t* width :
         {&options.first_channels, &options.unit_channels, &options.last_channels}) {
      *width = nn::scaled_width(*width, scale);
    }
    // The depth shrinks by width_mult too: the authors never read depth_mult (README).
    options.num_convs = nn::scaled_width(2 + config.num_units * config.convs_per_unit, scale);
    input.height = nn::scaled_width(input.height, resolution);
    input.width = nn::scaled_width(input.width, resolution);
    if (options.num_convs < 1) {
      refuse("compound scaling keeps at least one convolution",
             "compound_phi " + std::to_string(config.compound_phi), "Lower model.compound_phi.",
             "T-FCNN-05");
    }
  }
  options.input = input;
  return nn::game_cnn(options);
}

}  // namespace

FoldedCnnConfig FoldedCnnConfig::of(const Json& values) {
  FoldedCnnConfig config;
  read_config(config, values, "model");
  return config;
}

void FoldedCnnConfig::fields(FieldList& list) {
  list("arch", arch,
       {.help = "the network (that of the preset, where there is one)",
        .one_of = kArchitectures,
        .authors_name = "dataset, model name"});
  list("preset", preset,
       {.help = "a task whose shapes become the defaults: " +
                join(nn::specialised_presets().names(), ", "),
        .authors_name = "config directory"});
  list("fold", fold,
       {.help = "images that share one input", .min = 1, .authors_name = "fold, external_fold"});
  list("width_multiplier", width_multiplier,
       {.help = "of every hidden width, rounded down; none is the square root of fold",
        .min = 0,
        .min_exclusive = true,
        .authors_name = "channel_mult, internal_multiplier"});
  list("do_fold", do_fold,
       {.help = "folded_resnet18: pool the whole map (true where fold > 1); false is the authors' "
                "original and teacher",
        .authors_name = "do_fold"});
  list("in_channels", in_channels,
       {.help = "channels of an image (1 where size_for_cifar is false)",
        .min = 1,
        .authors_name = "chan-in"});
  list("num_classes", num_classes,
       {.help = "classes (2 for noscope_cnn, 10 for folded_resnet18)",
        .min = 1,
        .authors_name = "num-classes"});
  list("image_height", image_height,
       {.help = "rows (50 for noscope_cnn, 32 or 28 for folded_resnet18)",
        .unit = "pixels",
        .min = 1,
        .authors_name = "out-h"});
  list("image_width", image_width,
       {.help = "columns, likewise", .unit = "pixels", .min = 1, .authors_name = "out-w"});
  list("first_channels", first_channels,
       {.help = "game_cnn: width of the first convolution",
        .min = 1,
        .authors_name = "conv1_n_feature_maps"});
  list("unit_channels", unit_channels,
       {.help = "game_cnn: width of the units", .min = 1, .authors_name = "convi_n_feature_maps"});
  list("last_channels", last_channels,
       {.help = "game_cnn: width of the last convolution",
        .min = 1,
        .authors_name = "convn_n_feature_maps"});
  list("num_units", num_units,
       {.help = "game_cnn: units", .min = 0, .authors_name = "n-conv-units"});
  list("convs_per_unit", convs_per_unit,
       {.help = "game_cnn: convolutions of a unit (the authors have 1 and 3)",
        .min = 1,
        .authors_name = "template"});
  list("dense_dim", dense_dim,
       {.help = "noscope_cnn: width of the hidden linear layer",
        .min = 1,
        .authors_name = "nb_dense"});
  list("base_filters", base_filters,
       {.help = "noscope_cnn: width of the first two convolutions",
        .min = 1,
        .authors_name = "nb_filters"});
  list("num_conv_layers", num_conv_layers,
       {.help = "noscope_cnn: 2 or 4", .min = 2, .max = 4, .authors_name = "nb_layers"});
  list("use_dropout", use_dropout,
       {.help = "noscope_cnn: dropout 0.25; shifts the names of layers",
        .authors_name = "do_dropout"});
  list("pool", pool,
       {.help =
            "game_cnn, noscope_cnn: max; average puts average pools of the same windows in their "
            "place, which a network needs that is to spike",
        .one_of = {"max", "average"}});
  list("size_for_cifar", size_for_cifar,
       {.help = "folded_resnet18: four stages for 32x32, else three for 28x28",
        .authors_name = "size_for_cifar"});
  list("compound_phi", compound_phi,
       {.help = "game_cnn: exponent of compound scaling, the baseline that shrinks; 0 for none",
        .min = 0,
        .authors_name = "fold - 1 of the efficientnet model"});
  list("width_mult", width_mult,
       {.help = "compound scaling: divides widths and depth",
        .min = 1,
        .authors_name = "width_mult"});
  list("depth_mult", depth_mult,
       {.help = "compound scaling: not used, as in the authors' code",
        .min = 1,
        .authors_name = "depth_mult"});
  list(
      "res_mult", res_mult,
      {.help = "compound scaling: divides rows and columns", .min = 1, .authors_name = "res_mult"});
  list("loss", loss,
       {.help = "cross_entropy of classes, or mse_logits to a teacher's logits",
        .one_of = {"cross_entropy", "mse_logits"},
        .authors_name = "Loss"});
  list("remainder", remainder,
       {.help = "images beyond whole groups: drop them, or pad the last group (inference only)",
        .one_of = {"drop", "pad"}});
  list("bytes_per_element", bytes_per_element,
       {.help = "of intensity figures",
        .unit = "bytes",
        .min = 0,
        .min_exclusive = true,
        .authors_name = "--bytes_per_elt"});
}

void FoldedCnnConfig::choose_defaults(const Json& given) {
  // A wrong type, word or number is refused where the key itself is read.
  const std::string preset_name = word(given, "preset");
  const std::string arch_name = word(given, "arch");
  const auto fold_it = given.find("fold");
  if (fold_it != given.end() && fold_it->is_number()) do_fold = fold_it->get<double>() > 1;
  if (!arch_name.empty()) arch = arch_name;
  const auto cifar_it = given.find("size_for_cifar");
  set_architecture_defaults(*this, cifar_it == given.end() || *cifar_it == true || *cifar_it == 1);
  if (!preset_name.empty() && preset_name != "none") {
    set_preset_defaults(*this, nn::specialised_presets().at(preset_name));
  }
}

void FoldedCnnConfig::validate() const {
  if (preset) {
    const std::string own = architecture_of(nn::specialised_presets().at(*preset));
    if (arch != own) {
      refuse("preset " + *preset + " is a " + own, arch, "Leave model.arch out.", "T-FCNN-01");
    }
  }
  if (fold > 1 && !do_fold) {
    refuse("fold above 1 needs do_fold", "do_fold false and fold " + std::to_string(fold),
           "Leave model.do_fold out.", "T-FCNN-02");
  }
  if (compound_phi > 0 &&
      (fold > 1 || arch != "game_cnn" || width_multiplier.value_or(1.0) != 1.0)) {
    refuse("compound scaling is an unfolded game_cnn with its own widths",
           arch + ", fold " + std::to_string(fold) + ", width multiplier " + shortest(multiplier()),
           "Set model.compound_phi to 0.", "T-FCNN-03");
  }
  if (num_conv_layers == 3) {
    refuse("num_conv_layers is 2 or 4", "3", "", "T-FCNN-04");
  }
  // Widths that become 0 and images too small for the pools are refused by the layer's name.
  network(*this);
}

double FoldedCnnConfig::multiplier() const {
  return width_multiplier.value_or(std::sqrt(static_cast<double>(fold)));
}

int64_t images_per_input(const FoldedCnnConfig& config) {
  return config.compound_phi > 0 ? config.compound_phi + 1 : config.fold;
}

nn::Network original_network(const FoldedCnnConfig& config) {
  const nn::Shape input{
      .channels = config.in_channels, .height = config.image_height, .width = config.image_width};
  nn::Network network;
  if (config.arch == "game_cnn") {
    network = game(config, input);
  } else if (config.arch == "noscope_cnn") {
    network = nn::noscope_cnn({.input = input,
                               .num_classes = config.num_classes,
                               .dense_dim = config.dense_dim,
                               .base_filters = config.base_filters,
                               .num_conv_layers = config.num_conv_layers,
                               .use_dropout = config.use_dropout});
  } else {
    network = resnet18(config, input);
  }
  if (config.preset) network.name = *config.preset;
  return config.pool == "average" ? nn::with_average_pools(std::move(network)) : network;
}

nn::Network network(const FoldedCnnConfig& config) {
  return nn::fold(original_network(config),
                  {.fold = config.fold, .width_multiplier = config.multiplier()});
}

}  // namespace tessera::folded_cnn
