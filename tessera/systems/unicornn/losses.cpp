#include "tessera/systems/unicornn/losses.h"

#include <ATen/ATen.h>

#include <string>

#include "tessera/core/error.h"

namespace tessera::unicornn {

at::Tensor trace_loss(const Json& spec, const TensorMap& outputs, const TensorMap& inputs) {
  const at::Tensor& logits = outputs.at("logits");
  const at::Tensor* given = nullptr;
  for (const char* name : {"y", "target", "targets", "label", "labels"}) {
    if (!given) given = inputs.find(name);
  }
  const at::Tensor& target = given ? *given : inputs.at("y");
  const auto name = spec.at("name").get<std::string>();
  if (name == "cross_entropy") return at::cross_entropy_loss(logits, target);
  // One number a sample may come as (B) or (B, 1).
  const at::Tensor values = target.reshape(logits.sizes()).to(logits.scalar_type());
  if (name == "bce_with_logits" || name == "binary_cross_entropy_with_logits") {
    return at::binary_cross_entropy_with_logits(logits, values);
  }
  if (name == "mse") return at::mse_loss(logits, values);
  if (name == "l1") return at::l1_loss(logits, values);
  fail<InvalidArgument>({.where = "unicornn",
                         .rule = "a loss is cross_entropy, bce_with_logits, mse or l1",
                         .got = "\"" + name + "\"",
                         .id = "T-UNI-33"});
}

}  // namespace tessera::unicornn
