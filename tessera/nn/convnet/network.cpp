#include "tessera/nn/convnet/network.h"

#include <algorithm>
#include <unordered_map>

#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera::nn {
namespace {

[[noreturn]] void refuse(const Network& network, const std::string& rule, const std::string& got,
                         const char* id, const std::string& next = "") {
  fail<InvalidArgument>({.where = "network",
                         .rule = (network.name.empty() ? "" : network.name + ": ") + rule,
                         .got = got,
                         .next = next,
                         .id = id});
}

/// Computes the output shape of one layer, with complaints that name it.
class ShapeRule {
 public:
  ShapeRule(const Network& network, const Layer& layer, std::span<const Shape> inputs)
      : network_(network), layer_(layer), inputs_(inputs) {}

  Shape out() const {
    switch (layer_.kind) {
      case LayerKind::kConv:
        return conv();
      case LayerKind::kLinear:
        need_width();
        if (!in().is_flat) fail_on("acts on features", in().text(), "T-NET-06", "Flatten first.");
        return {.channels = layer_.out_channels, .is_flat = true};
      case LayerKind::kMaxPool:
      case LayerKind::kAvgPool:
        // As torch: a window that would lie in the padding alone is not defined.
        if (layer_.padding > layer_.kernel / 2) {
          fail_on("pads by at most half its kernel", std::to_string(layer_.padding), "T-NET-08");
        }
        return windows(in().channels);
      case LayerKind::kAdaptiveAvgPool:
        need_maps();
        need_positive("output_size", layer_.output_size);
        return {
            .channels = in().channels, .height = layer_.output_size, .width = layer_.output_size};
      case LayerKind::kFlatten:
        return {.channels = in().elements(), .is_flat = true};
      case LayerKind::kAdd:
        for (const Shape& shape : inputs_) {
          if (shape != in()) {
            fail_on("adds equal shapes", in().text() + " and " + shape.text(), "T-NET-04");
          }
        }
        return in();
      case LayerKind::kBatchNorm:
      case LayerKind::kActivation:
      case LayerKind::kDropout:
        return in();
    }
    fail<Internal>({.where = "network", .rule = "a layer kind without a shape"});
  }

 private:
  const Shape& in() const { return inputs_.front(); }

  [[noreturn]] void fail_on(const std::string& rule, const std::string& got, const char* id,
                            const std::string& next = "") const {
    refuse(network_, name_of(layer_.kind) + (" \"" + layer_.name + "\" ") + rule, got, id, next);
  }
  void need_positive(const char* field, int64_t value) const {
    if (value < 1) {
      fail_on(std::string("needs ") + field + " of at least 1", std::to_string(value), "T-NET-08");
    }
  }
  void need_width() const { need_positive("out_channels", layer_.out_channels); }
  void need_maps() const {
    if (in().is_flat) fail_on("acts on maps", "features " + in().text(), "T-NET-06");
  }

  Shape windows(int64_t channels) const {
    need_maps();
    need_positive("kernel", layer_.kernel);
    need_positive("stride", layer_.stride);
    need_positive("dilation", layer_.dilation);
    const auto extent = [&](int64_t size) {
      const int64_t room = size + 2 * layer_.padding - layer_.dilation * (layer_.kernel - 1) - 1;
      return room < 0 ? 0 : room / layer_.stride + 1;
    };
    const Shape out{
        .channels = channels, .height = extent(in().height), .width = extent(in().width)};
    if (out.height < 1 || out.width < 1) {
      fail_on("needs a map of at least its kernel " + std::to_string(layer_.kernel), in().text(),
              "T-NET-03", "Use larger images or fewer pools.");
    }
    return out;
  }

  Shape conv() const {
    need_width();
    need_positive("groups", layer_.groups);
    if (in().channels % layer_.groups != 0 || layer_.out_channels % layer_.groups != 0) {
      fail_on("has groups that divide both its widths",
              std::to_string(layer_.groups) + " groups of " + std::to_string(in().channels) +
                  " and " + std::to_string(layer_.out_channels),
              "T-NET-05");
    }
    return windows(layer_.out_channels);
  }

  const Network& network_;
  const Layer& layer_;
  std::span<const Shape> inputs_;
};

}  // namespace

const char* name_of(LayerKind kind) {
  switch (kind) {
    case LayerKind::kConv:
      return "conv";
    case LayerKind::kLinear:
      return "linear";
    case LayerKind::kBatchNorm:
      return "batch_norm";
    case LayerKind::kActivation:
      return "activation";
    case LayerKind::kMaxPool:
      return "max_pool";
    case LayerKind::kAvgPool:
      return "avg_pool";
    case LayerKind::kAdaptiveAvgPool:
      return "adaptive_avg_pool";
    case LayerKind::kDropout:
      return "dropout";
    case LayerKind::kFlatten:
      return "flatten";
    case LayerKind::kAdd:
      return "add";
  }
  return "";
}

std::string Shape::text() const {
  if (is_flat) return std::to_string(channels);
  return std::to_string(channels) + "x" + std::to_string(height) + "x" + std::to_string(width);
}

size_t Network::find(std::string_view layer_name) const {
  const auto it = std::ranges::find(layers, layer_name, &Layer::name);
  return it == layers.end() ? npos : static_cast<size_t>(it - layers.begin());
}

const Layer& Network::layer(std::string_view layer_name) const {
  const size_t index = find(layer_name);
  if (index != npos) return layers[index];
  std::vector<std::string> names;
  for (const Layer& known : layers) names.push_back(known.name);
  refuse(*this, "no layer \"" + std::string(layer_name) + "\"", "", "T-NET-02",
         did_you_mean(layer_name, names));
}

std::vector<LayerShapes> infer_shapes(const Network& network) {
  if (network.layers.empty()) refuse(network, "has at least one layer", "none", "T-NET-07");
  if (network.input.elements() < 1 || network.images_per_input < 1) {
    refuse(network, "has an input of at least one channel, row, column and image",
           network.input.text(), "T-NET-07");
  }
  std::unordered_map<std::string_view, Shape> known{{kInput, network.input}};
  std::vector<LayerShapes> shapes;
  shapes.reserve(network.layers.size());
  for (const Layer& layer : network.layers) {
    std::vector<Shape> inputs;
    for (const std::string& input : layer.inputs) {
      const auto it = known.find(input);
      if (it == known.end()) {
        refuse(network, "layer \"" + layer.name + "\" reads a layer before it", "\"" + input + "\"",
               "T-NET-02");
      }
      inputs.push_back(it->second);
    }
    const bool is_add = layer.kind == LayerKind::kAdd;
    if (is_add ? inputs.size() < 2 : inputs.size() != 1) {
      refuse(network,
             "layer \"" + layer.name + "\" has " + (is_add ? "two inputs or more" : "one input"),
             std::to_string(inputs.size()), "T-NET-07");
    }
    const Shape out = ShapeRule(network, layer, inputs).out();
    if (layer.name.empty() || !known.emplace(layer.name, out).second) {
      refuse(network, "layer names are unique", "\"" + layer.name + "\" again", "T-NET-01");
    }
    shapes.push_back({inputs.front(), out});
  }
  return shapes;
}

Shape output_shape(const Network& network) { return infer_shapes(network).back().out; }

std::vector<std::string> consumers(const Network& network, std::string_view layer_name) {
  std::vector<std::string> names;
  for (const Layer& layer : network.layers) {
    if (std::ranges::find(layer.inputs, layer_name) != layer.inputs.end()) {
      names.push_back(layer.name);
    }
  }
  return names;
}

size_t output_layer(const Network& network) {
  // Layers after the classifier (an activation, a pool) have one input; an add has no classifier.
  size_t index = network.layers.size() - 1;
  while (index != Network::npos) {
    const Layer& layer = network.layers[index];
    if (layer.kind == LayerKind::kConv || layer.kind == LayerKind::kLinear) return index;
    if (layer.inputs.size() != 1) break;
    index = network.find(layer.inputs.front());
  }
  return Network::npos;
}

void remove_layer(Network& network, std::string_view layer_name) {
  const size_t index = network.find(layer_name);
  const std::string source = network.layer(layer_name).inputs.front();
  const std::string gone(layer_name);
  network.layers.erase(network.layers.begin() + static_cast<std::ptrdiff_t>(index));
  for (Layer& layer : network.layers) std::ranges::replace(layer.inputs, gone, source);
}

}  // namespace tessera::nn
