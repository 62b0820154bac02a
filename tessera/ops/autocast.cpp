#include "tessera/ops/autocast.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>

#include <span>
#include <vector>

namespace tessera::ops {

bool is_autocast(const at::Tensor& tensor) {
  return at::autocast::is_autocast_enabled(tensor.device().type());
}

at::Tensor widened(const at::Tensor& tensor) {
  const bool is_half = tensor.defined() && at::isReducedFloatingType(tensor.scalar_type());
  return is_half ? tensor.to(at::kFloat) : tensor;
}

void autocast_to_float32(const c10::OperatorHandle& op, torch::jit::Stack* stack) {
  const NoAutocast guard;
  if (!op.schema().is_mutable()) {
    const auto count = static_cast<std::ptrdiff_t>(op.schema().arguments().size());
    for (c10::IValue& argument : std::span(stack->end() - count, stack->end())) {
      if (argument.isTensor()) {
        argument = widened(argument.toTensor());
      } else if (argument.isTensorList()) {
        std::vector<at::Tensor> tensors = argument.toTensorVector();
        for (at::Tensor& tensor : tensors) tensor = widened(tensor);
        argument = std::move(tensors);
      }
    }
  }
  op.callBoxed(*stack);
}

}  // namespace tessera::ops
