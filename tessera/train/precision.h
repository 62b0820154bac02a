#pragma once

#include "tessera/systems/model.h"
#include "tessera/train/train_config.h"

namespace tessera::train {

// The forward passes of training, evaluation, `predict` and exported bundles. Under run.dtype =
// "bfloat16" torch's autocast runs matrix products and convolutions in bfloat16 over parameters of
// float32, operators of ours run in float32 (ops/autocast.h), and outputs come back in float32, so
// that losses and metrics are computed there. "float32" and "float64" are what the model holds.

/// model.run(inputs).
TensorMap forward(Model& model, const TensorMap& inputs, const RunConfig& run);

/// model.predict(inputs) without gradients; inputs are cast and moved as [run] says.
TensorMap predict(Model& model, const TensorMap& inputs, const RunConfig& run);

}  // namespace tessera::train
