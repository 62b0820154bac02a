#include "tessera/systems/task_extras.h"

#include <ATen/ATen.h>

#include "tessera/core/error.h"

namespace tessera {
namespace {

void put(const std::string& name, at::Tensor parameter, const at::Tensor& value) {
  const bool fits = value.dim() == parameter.dim() && value.dim() > 0 &&
                    value.sizes().slice(1) == parameter.sizes().slice(1) &&
                    value.size(0) <= parameter.size(0);
  if (!fits) {
    fail<InvalidArgument>({.where = "model",
                           .rule = "the task's first weights must fit " + name + " of shape " +
                                   c10::str(parameter.sizes()),
                           .got = c10::str(value.sizes()),
                           .next = "Set the sizes of the model to those of the task's data.",
                           .id = "T-TASK-01"});
  }
  const at::NoGradGuard no_grad;
  parameter.narrow(0, 0, value.size(0)).copy_(value);
}

}  // namespace

void begin_with(Model& model, const TensorMap& initial_weights) {
  for (const auto& [end, value] : initial_weights) {
    bool is_found = false;
    for (const auto& item : model.named_parameters()) {
      if (item.key() != end && !item.key().ends_with("." + end)) continue;
      put(item.key(), item.value(), value);
      is_found = true;
    }
    if (is_found) continue;
    fail<InvalidArgument>({.where = "model",
                           .rule = "the task has first weights for " + end,
                           .got = "a model without it",
                           .next = "Give the model what holds them (vocab_size), or no vectors.",
                           .id = "T-TASK-02"});
  }
}

}  // namespace tessera
