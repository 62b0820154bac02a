#include <algorithm>
#include <array>

#include "tessera/core/error.h"
#include "tessera/nn/convnet/network.h"
#include "tessera/ops/activation.h"

namespace tessera::nn {
namespace {

constexpr std::array kKinds = {
    LayerKind::kConv,    LayerKind::kLinear,  LayerKind::kBatchNorm,       LayerKind::kActivation,
    LayerKind::kMaxPool, LayerKind::kAvgPool, LayerKind::kAdaptiveAvgPool, LayerKind::kDropout,
    LayerKind::kFlatten, LayerKind::kAdd};

/// The fields of a layer beside name, kind and inputs, each once: both directions visit them.
/// Values equal to a new layer's are not written.
template <class LayerT, class Visit>
void visit_fields(LayerT& layer, Visit visit) {
  visit("out_channels", layer.out_channels);
  visit("kernel", layer.kernel);
  visit("stride", layer.stride);
  visit("padding", layer.padding);
  visit("dilation", layer.dilation);
  visit("groups", layer.groups);
  visit("has_bias", layer.has_bias);
  visit("count_include_pad", layer.count_include_pad);
  visit("output_size", layer.output_size);
  visit("eps", layer.eps);
  visit("momentum", layer.momentum);
  visit("probability", layer.probability);
}

LayerKind kind_of(const std::string& name) {
  const auto it =
      std::ranges::find_if(kKinds, [&](LayerKind kind) { return name == name_of(kind); });
  if (it == kKinds.end()) {
    fail<BadFile>({.where = "network",
                   .rule = "a layer's kind is one of conv, linear, batch_norm, …",
                   .got = "\"" + name + "\"",
                   .id = "T-NET-10"});
  }
  return *it;
}

Layer layer_from_json(const Json& json) {
  Layer layer{.name = json.at("name").get<std::string>(),
              .kind = kind_of(json.at("kind").get<std::string>()),
              .inputs = json.at("inputs").get<std::vector<std::string>>()};
  visit_fields(layer, [&](const char* key, auto& value) {
    if (const auto it = json.find(key); it != json.end()) it->get_to(value);
  });
  if (json.contains("activation")) {
    layer.activation = ops::activation_of(json["activation"].get<std::string>());
  }
  return layer;
}

}  // namespace

Json to_json(const Network& network) {
  Json layers = Json::array();
  Layer plain;
  for (const Layer& layer : network.layers) {
    Json entry = {{"name", layer.name}, {"kind", name_of(layer.kind)}, {"inputs", layer.inputs}};
    Json defaults;
    visit_fields(plain, [&](const char* key, const auto& value) { defaults[key] = value; });
    visit_fields(layer, [&](const char* key, const auto& value) {
      if (Json(value) != defaults[key]) entry[key] = value;
    });
    if (layer.activation != plain.activation) entry["activation"] = ops::name_of(layer.activation);
    layers.push_back(std::move(entry));
  }
  return {{"name", network.name},
          {"input", {network.input.channels, network.input.height, network.input.width}},
          {"images_per_input", network.images_per_input},
          {"layers", std::move(layers)}};
}

Network network_from_json(const Json& json) {
  Network network;
  try {
    const auto input = json.at("input").get<std::vector<int64_t>>();
    network.name = json.at("name").get<std::string>();
    network.input = {.channels = input.at(0), .height = input.at(1), .width = input.at(2)};
    network.images_per_input = json.at("images_per_input").get<int64_t>();
    for (const Json& layer : json.at("layers")) network.layers.push_back(layer_from_json(layer));
  } catch (const std::logic_error& error) {  // out of range: input of fewer than three numbers
    fail<BadFile>({.where = "network",
                   .rule = "a network's input is [channels, height, width]",
                   .got = error.what(),
                   .id = "T-NET-10"});
  } catch (const Json::exception& error) {
    fail<BadFile>({.where = "network",
                   .rule = "a network is a table of name, input, images_per_input and layers",
                   .got = error.what(),
                   .id = "T-NET-10"});
  }
  infer_shapes(network);
  return network;
}

}  // namespace tessera::nn
