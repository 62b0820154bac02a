#include "tessera/nn/convnet/names.h"

#include "tessera/nn/convnet/evaluate.h"

namespace tessera::nn {

TensorMap without_counters(const TensorMap& weights) {
  TensorMap rest;
  for (const auto& [name, tensor] : weights) {
    if (!name.ends_with("num_batches_tracked")) rest.set(name, tensor);
  }
  return rest;
}

TensorMap without_prefix(const TensorMap& weights, std::string_view prefix) {
  TensorMap renamed;
  for (const auto& [name, tensor] : weights) {
    renamed.set(name.starts_with(prefix) ? name.substr(prefix.size()) : name, tensor);
  }
  return renamed;
}

TensorMap import_weights(const Network& network, const TensorMap& theirs) {
  const std::vector<WeightSpec> specs = weight_specs(network);
  std::string prefix;
  if (!specs.empty() && !theirs.contains(specs.front().name)) {
    const std::string suffix = "." + specs.front().name;
    for (const auto& [name, tensor] : theirs) {
      if (!name.ends_with(suffix)) continue;
      prefix = name.substr(0, name.size() - suffix.size() + 1);
      break;
    }
  }
  TensorMap ours;
  for (const WeightSpec& spec : specs) {
    if (const at::Tensor* tensor = theirs.find(prefix + spec.name)) ours.set(spec.name, *tensor);
  }
  check_weights(network, ours);
  return ours;
}

TensorMap export_weights(const Network& network, const TensorMap& weights,
                         std::string_view prefix) {
  check_weights(network, weights);
  TensorMap theirs;
  for (const WeightSpec& spec : weight_specs(network)) {
    theirs.set(std::string(prefix) + spec.name, weights.at(spec.name));
  }
  return theirs;
}

}  // namespace tessera::nn
