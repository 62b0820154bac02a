#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/core/json.h"
#include "tessera/ops/kinds.h"

namespace tessera::nn {

enum class LayerKind {
  kConv,
  kLinear,
  kBatchNorm,
  kActivation,
  kMaxPool,
  kAvgPool,
  kAdaptiveAvgPool,
  kDropout,
  kFlatten,
  kAdd,
};
const char* name_of(LayerKind kind);  ///< "conv", "linear", "batch_norm", …

/// The name of a network's input among the inputs of its layers.
inline constexpr std::string_view kInput = "input";

/// One layer of a network: a plain value. A kind reads the fields that it has and ignores the rest.
/// Widths of inputs are not stored: they follow from the layers before (infer_shapes), so that a
/// method which changes a width changes one number.
struct Layer {
  std::string name;  ///< dotted path, the prefix of its weights: "layer1.0.conv1"
  LayerKind kind = LayerKind::kConv;
  std::vector<std::string> inputs;  ///< names of earlier layers, or kInput; two or more for kAdd

  int64_t out_channels = 0;  ///< conv: maps; linear: features
  int64_t kernel = 1, stride = 1, padding = 0, dilation = 1;
  int64_t groups = 1;
  bool has_bias = false;
  bool count_include_pad = true;  ///< average pool: zeros of the padding count in the divisor
  int64_t output_size = 1;        ///< adaptive average pool
  double eps = 1e-5, momentum = 0.1;
  double probability = 0.5;  ///< dropout
  ops::Activation activation = ops::Activation::kRelu;

  bool operator==(const Layer&) const = default;
};

/// Extent of what flows between layers, for one input. Features have height and width 1.
struct Shape {
  int64_t channels = 0, height = 1, width = 1;
  bool is_flat = false;

  int64_t elements() const { return channels * height * width; }
  std::string text() const;  ///< "64x22x52", "264"
  bool operator==(const Shape&) const = default;
};

/// A convolutional network as a value: layers in an order in which every layer comes after its
/// inputs; the last one is the output. Methods (fold, fold_batch_norm, …) are functions from
/// networks to networks and from weights to weights, so that they compose.
struct Network {
  std::string name;
  Shape input;
  int64_t images_per_input = 1;  ///< of a folded network: f images share one input
  std::vector<Layer> layers;

  /// The layer of that name; throws InvalidArgument with the nearest one.
  const Layer& layer(std::string_view layer_name) const;
  /// Position of the layer in `layers`, or npos.
  size_t find(std::string_view layer_name) const;
  static constexpr size_t npos = static_cast<size_t>(-1);

  bool operator==(const Network&) const = default;
};

struct LayerShapes {
  Shape in, out;  ///< in: of the first input
};

/// The shapes of every layer, in order. This is also the check of a network: throws InvalidArgument
/// on a name that is taken or unknown, a map too small for a kernel, operands of an add that
/// differ, groups that do not divide the channels, and layers on features or maps that need the
/// other.
std::vector<LayerShapes> infer_shapes(const Network& network);

/// The shape of the output; checks the network.
Shape output_shape(const Network& network);

/// Names of the layers that read `layer_name`.
std::vector<std::string> consumers(const Network& network, std::string_view layer_name);

/// The last conv or linear layer that the output depends on: the classifier. npos without one.
size_t output_layer(const Network& network);

/// Removes a layer of one input: its consumers read what it read.
void remove_layer(Network& network, std::string_view layer_name);

/// A network as JSON, to lie beside its weights, and back. network_from_json(to_json(n)) == n.
/// Throws BadFile where the text is not a network, InvalidArgument where the network is not sound.
Json to_json(const Network& network);
Network network_from_json(const Json& json);

}  // namespace tessera::nn
