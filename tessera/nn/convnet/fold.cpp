#include "tessera/nn/convnet/fold.h"

#include <cmath>

#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera::nn {

int64_t scaled_width(int64_t width, double multiplier) {
  return static_cast<int64_t>(std::floor(static_cast<double>(width) * multiplier));
}

Network fold(const Network& network, const FoldOptions& options) {
  const auto refuse = [&](const std::string& rule, const std::string& got, const char* id) {
    fail<InvalidArgument>({.where = "fold", .rule = rule, .got = got, .id = id});
  };
  if (options.fold < 1) {
    refuse("a fold is at least 1", std::to_string(options.fold), "T-FOLD-01");
  }
  const double multiplier =
      options.width_multiplier.value_or(std::sqrt(static_cast<double>(options.fold)));
  if (!(multiplier > 0) || !std::isfinite(multiplier)) {
    refuse("a width multiplier is above 0", shortest(multiplier), "T-FOLD-01");
  }
  const std::vector<LayerShapes> shapes = infer_shapes(network);
  const size_t last = output_layer(network);
  if (last == Network::npos) {
    refuse(network.name + " has a classifier whose outputs can be repeated", "none", "T-FOLD-02");
  }

  Network folded = network;
  folded.images_per_input *= options.fold;
  folded.input.channels *= options.fold;
  std::vector<int64_t> channels;  // of each layer's output as maps; a flatten ends the convolutions
  const auto channels_of = [&](const std::string& source) {
    return source == kInput ? folded.input.channels : channels[folded.find(source)];
  };
  for (size_t i = 0; i < folded.layers.size(); ++i) {
    Layer& layer = folded.layers[i];
    const int64_t in = channels_of(layer.inputs.front());
    if (layer.kind != LayerKind::kConv && layer.kind != LayerKind::kLinear) {
      channels.push_back(in);
      continue;
    }
    const int64_t width = layer.out_channels;
    if (i == last) {
      layer.out_channels = width * options.fold;
    } else if (layer.groups > 1 && layer.groups == shapes[i].in.channels) {
      // Depthwise: as many groups as the input has channels now, each with the outputs it had.
      layer.out_channels = in * (width / layer.groups);
      layer.groups = in;
    } else {
      layer.out_channels = scaled_width(width, multiplier);
    }
    if (layer.out_channels < 1) {
      refuse("\"" + layer.name + "\" keeps at least one channel of " + std::to_string(width),
             "a width multiplier of " + shortest(multiplier), "T-FOLD-03");
    }
    channels.push_back(layer.out_channels);
  }
  // Groups that no longer divide are refused here, by name.
  infer_shapes(folded);
  return folded;
}

}  // namespace tessera::nn
