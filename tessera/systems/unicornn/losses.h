#pragma once

#include <ATen/core/Tensor.h>

#include "tessera/core/json.h"
#include "tessera/core/tensor_map.h"

namespace tessera::unicornn {

/// The loss of a trace: cross_entropy of classes, bce_with_logits of one logit, mse or l1 of one
/// number, of `logits` against `y` (B) or (B, C).
at::Tensor trace_loss(const Json& spec, const TensorMap& outputs, const TensorMap& inputs);

}  // namespace tessera::unicornn
