#include "tessera/nn/convnet/methods.h"

#include <ATen/ATen.h>

#include "tessera/core/error.h"

namespace tessera::nn {
namespace {

bool has_weight_and_one_reader(const Network& network, const std::string& name) {
  const size_t index = network.find(name);
  if (index == Network::npos) return false;
  const LayerKind kind = network.layers[index].kind;
  return (kind == LayerKind::kConv || kind == LayerKind::kLinear) &&
         consumers(network, name).size() == 1;
}

}  // namespace

LayerTensors with_norm(const LayerTensors& layer, const LayerTensors& norm, double eps) {
  const at::ScalarType dtype = layer.weight.scalar_type();
  const auto wide = [](const at::Tensor& tensor) { return tensor.to(at::kDouble); };
  const at::Tensor scale = wide(norm.weight) / (wide(norm.running_var) + eps).sqrt();
  std::vector<int64_t> per_output(static_cast<size_t>(layer.weight.dim()), 1);
  per_output[0] = -1;
  at::Tensor bias = wide(norm.bias) - wide(norm.running_mean) * scale;
  if (layer.bias.defined()) bias = bias + wide(layer.bias) * scale;
  return {.weight = (wide(layer.weight) * scale.view(per_output)).to(dtype),
          .bias = bias.to(dtype)};
}

WeightedNetwork fold_batch_norm(const WeightedNetwork& it) {
  check_weights(it.network, it.weights);
  WeightedNetwork result = it;
  for (const Layer& norm : it.network.layers) {
    if (norm.kind != LayerKind::kBatchNorm) continue;
    const std::string& source = norm.inputs.front();
    if (!has_weight_and_one_reader(result.network, source)) continue;

    Layer& layer = result.network.layers[result.network.find(source)];
    const LayerTensors both =
        with_norm(tensors_of(layer, result.weights), tensors_of(norm, it.weights), norm.eps);
    result.weights.set(source + ".weight", both.weight);
    result.weights.set(source + ".bias", both.bias);
    layer.has_bias = true;
    for (const char* leaf : {".weight", ".bias", ".running_mean", ".running_var"}) {
      result.weights.erase(norm.name + leaf);
    }
    remove_layer(result.network, norm.name);
  }
  return result;
}

Network with_average_pools(Network network) {
  for (Layer& layer : network.layers) {
    if (layer.kind == LayerKind::kMaxPool) layer.kind = LayerKind::kAvgPool;
  }
  return network;
}

Network without_dropout(Network network) {
  std::vector<std::string> names;
  for (const Layer& layer : network.layers) {
    if (layer.kind == LayerKind::kDropout) names.push_back(layer.name);
  }
  for (const std::string& name : names) remove_layer(network, name);
  return network;
}

Network without_classifier(Network network) {
  const size_t index = output_layer(network);
  if (index == Network::npos || index + 1 != network.layers.size()) {
    fail<InvalidArgument>({.where = "network",
                           .rule = network.name + " ends in a classifier",
                           .got = network.layers.empty() ? "no layers" : network.layers.back().name,
                           .id = "T-NET-12"});
  }
  network.layers.pop_back();
  infer_shapes(network);
  return network;
}

}  // namespace tessera::nn
