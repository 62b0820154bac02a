#pragma once

#include <ATen/core/Generator.h>

#include <optional>

#include "tessera/nn/convnet/evaluate.h"

namespace tessera::nn {

/// How weights are drawn. Biases of batch norm are 0 and its weights 1 throughout. "in", "out" are
/// the inputs and outputs of one unit: channels of a group times k·k for a convolution.
enum class Initialisation {
  kTorch,          ///< conv and linear: uniform ±1/√in, bias likewise
  kXavierRelu,     ///< conv: uniform ±√2·√(6/(in + out)); linear: normal(0, 0.01); biases 0
  kFanOut,         ///< conv: normal(0, √(2/out)), bias as kTorch; linear: normal(0, 1/in), bias 0
  kKaimingFanOut,  ///< conv: normal(0, √(2/out)), bias 0; linear as kTorch
  kFanOutSmallLinear,  ///< conv: normal(0, √(2/out)); linear: normal(0, 0.01); biases 0
};

/// Every parameter and buffer of the network, float32, from the default generator or the one given,
/// in the order of the layers.
TensorMap draw_weights(const Network& network, Initialisation rule,
                       std::optional<at::Generator> generator = {});

}  // namespace tessera::nn
