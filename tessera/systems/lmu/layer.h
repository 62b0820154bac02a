#pragma once

#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <memory>
#include <string_view>

#include "tessera/systems/lmu/config.h"

namespace tessera::lmu {

/// What a layer carries from step to step; undefined parts are zero.
struct State {
  at::Tensor h;  ///< (B, H) hidden state
  at::Tensor c;  ///< (B, H) cell state of an LSTM
  at::Tensor m;  ///< (B, M·N) memory, system by system
};

struct LayerResult {
  at::Tensor outputs;  ///< (B, T, H); undefined where only the last step was asked for
  at::Tensor last;     ///< (B, H)
  State state;         ///< after the last step
};

/// A layer that reads a sequence x (B, T, D). Whole sequences and single steps are one function:
/// cutting a sequence anywhere and carrying the state over changes nothing but rounding.
class Layer : public torch::nn::Module {
 public:
  virtual LayerResult forward(const at::Tensor& x, const State& state, bool every_step) = 0;
  /// One step of x (B, D) at inference: what a stream calls.
  LayerResult step(const at::Tensor& x, const State& state) {
    return forward(x.unsqueeze(1), state, /*every_step=*/false);
  }
  virtual int64_t output_dim() const = 0;
  /// Brings parameters back to where they must lie; called after each update.
  virtual void constrain() {}
};

/// "linear", "relu", "tanh", "sigmoid", "gelu".
at::Tensor activate(std::string_view name, const at::Tensor& z);

/// The layer that `config` describes, for inputs of `input_dim`.
std::shared_ptr<Layer> make_layer(const LmuConfig& config, int64_t input_dim);

}  // namespace tessera::lmu
