#include "tessera/train/losses.h"

#include <ATen/ATen.h>

#include <initializer_list>

#include "tessera/core/error.h"

namespace tessera::train {
namespace {

/// The tensor that `spec` names under `key`, else the first of `candidates` that is there.
const at::Tensor& choose(const Json& spec, const char* key, const TensorMap& map,
                         std::initializer_list<const char*> candidates) {
  if (spec.contains(key)) return map.at(spec.at(key).get<std::string>());
  for (const char* name : candidates) {
    if (const at::Tensor* tensor = map.find(name)) return *tensor;
  }
  return map.at(*candidates.begin());
}

void check_equal_sizes(const std::string& loss, const at::Tensor& prediction,
                       const at::Tensor& target) {
  if (prediction.sizes() == target.sizes()) return;
  fail<InvalidArgument>(
      {.where = "loss",
       .rule = loss + " needs a target of the prediction's shape " + c10::str(prediction.sizes()),
       .got = c10::str(target.sizes()),
       .id = "T-LOSS-02"});
}

at::Tensor cross_entropy(const std::string& loss, at::Tensor logits, at::Tensor target,
                         const at::Tensor* selected) {
  const bool fits = target.scalar_type() == at::kLong && logits.dim() == target.dim() + 1 &&
                    logits.sizes().slice(0, target.dim()) == target.sizes();
  if (!fits) {
    fail<InvalidArgument>({.where = "loss",
                           .rule = loss + " needs int64 classes for logits " +
                                   c10::str(logits.sizes()) + " without the last axis",
                           .got = c10::str(target.scalar_type(), " ", target.sizes()),
                           .id = "T-LOSS-03"});
  }
  if (selected) {
    logits = logits.index({*selected});
    target = target.index({*selected});
  }
  return at::cross_entropy_loss(logits.reshape({-1, logits.size(-1)}), target.reshape({-1}));
}

}  // namespace

at::Tensor generic_loss(const Json& spec, const TensorMap& outputs, const TensorMap& inputs) {
  const std::string name = spec.at("name").get<std::string>();
  const at::Tensor& prediction =
      outputs.size() == 1 && !spec.contains("output")
          ? outputs.begin()->second
          : choose(spec, "output", outputs,
                   {"pred", "prediction", "logits", "adj_pred", "output", "y", "x"});
  const bool is_bce = name == "bce" || name == "bce_sum";
  const at::Tensor& target =
      is_bce && inputs.contains("adj") && !spec.contains("target")
          ? inputs.at("adj")
          : choose(spec, "target", inputs, {"target", "targets", "label", "labels", "y"});

  if (name == "cross_entropy") return cross_entropy(name, prediction, target, nullptr);
  if (name == "cross_entropy_selected") {
    return cross_entropy(name, prediction, target, &inputs.at("selected"));
  }
  if (name == "mse" || name == "l1" || is_bce) {
    check_equal_sizes(name, prediction, target);
    if (name == "mse") return at::mse_loss(prediction, target);
    if (name == "l1") return at::l1_loss(prediction, target);
    return at::binary_cross_entropy(prediction, target, {},
                                    name == "bce" ? at::Reduction::Mean : at::Reduction::Sum);
  }
  fail<InvalidArgument>({.where = "loss",
                         .rule = "a loss is mse, l1, bce, bce_sum, cross_entropy or "
                                 "cross_entropy_selected",
                         .got = "\"" + name + "\"",
                         .id = "T-LOSS-01"});
}

}  // namespace tessera::train
