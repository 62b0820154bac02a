#include "tessera/systems/model.h"

#include <torch/types.h>

#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera {

bool Model::is_derived(const std::string&) const { return false; }

TensorMap weights_of(const torch::nn::Module& module) {
  TensorMap weights;
  for (const auto& item : module.named_parameters()) weights.set(item.key(), item.value().detach());
  for (const auto& item : module.named_buffers()) weights.set(item.key(), item.value().detach());
  return weights;
}

void load_weights(Model& model, const TensorMap& weights) {
  const TensorMap own = weights_of(model);
  std::vector<std::string> missing, unexpected, misshapen;
  for (const auto& [name, tensor] : own) {
    const at::Tensor* given = weights.find(name);
    if (!given) {
      if (!model.is_derived(name)) missing.push_back(name);
    } else if (given->sizes() != tensor.sizes()) {
      misshapen.push_back(name + " " + c10::str(given->sizes()) + " instead of " +
                          c10::str(tensor.sizes()));
    }
  }
  for (const auto& [name, tensor] : weights) {
    if (!own.contains(name)) unexpected.push_back(name);
  }
  const auto refuse = [](const std::string& what, const std::vector<std::string>& list) {
    if (list.empty()) return;
    const std::span<const std::string> shown(list.data(), std::min<size_t>(list.size(), 6));
    fail<InvalidArgument>({.where = "weights",
                           .rule = std::to_string(list.size()) + " " + what + ": " +
                                   join(shown, ", ") + (shown.size() < list.size() ? ", …" : ""),
                           .next = "Check that the configuration is the one of these weights.",
                           .id = "T-WGT-01"});
  };
  refuse("missing", missing);
  refuse("unexpected", unexpected);
  refuse("of the wrong shape", misshapen);

  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : own) {
    if (const at::Tensor* given = weights.find(name)) at::Tensor(tensor).copy_(*given);
  }
}

}  // namespace tessera
