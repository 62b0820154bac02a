#pragma once

#include <ATen/core/Tensor.h>

#include "tessera/core/json.h"
#include "tessera/core/tensor_map.h"

namespace tessera::train {

/// The loss that `spec` ({"name": "mse"}) names, a scalar:
///   mse, l1                  mean over all entries of prediction − target
///   bce                      mean binary cross-entropy of probabilities
///   bce_sum                  the same summed over all entries
///   cross_entropy            mean over targets (int64 classes) of logits, classes on the last axis
///   cross_entropy_selected   the same over the targets where the bool input `selected` is true
/// The target is the input `target`, `targets`, `label`, `labels` or `y` (for bce also `adj`); the
/// prediction is the only output, or the first of `pred`, `prediction`, `logits`, `adj_pred`,
/// `output`, `y`, `x`.
/// Optional keys "output" and "target" name them.
/// Throws InvalidArgument on an unknown loss, a missing tensor or shapes that do not fit.
at::Tensor generic_loss(const Json& spec, const TensorMap& outputs, const TensorMap& inputs);

}  // namespace tessera::train
