#pragma once

#include <torch/nn/modules/linear.h>

#include "tessera/ops/perceptron.h"
#include "tessera/systems/egnn/config.h"

namespace tessera::egnn {

/// Linear, activation, Linear: every φ of the paper. Parameters "0.weight", "0.bias", "2.weight",
/// "2.bias" as in the authors' nn.Sequential.
class Perceptron : public torch::nn::Module {
 public:
  /// Draws the first map, then the second.
  Perceptron(int64_t in, int64_t hidden, int64_t out, ops::Activation activation);
  /// Takes maps that were drawn in another order.
  Perceptron(torch::nn::Linear first, torch::nn::Linear second, ops::Activation activation);

  /// φ([x, y, z]), plus x with `residual`.
  at::Tensor forward(const ops::PerceptronInput& input, bool residual = false) const;
  ops::PerceptronWeights weights() const;

 private:
  torch::nn::Linear first_, second_;
  ops::Activation activation_;
};

/// The last map of a coordinate head, dim → 1 without bias, drawn twice as the authors do: by
/// Linear's own rule, then by Xavier's with gain 0.001. Coordinates hardly move at the start.
torch::nn::Linear small_linear(int64_t dim);

/// One Linear whose parameters are "0.weight" and "0.bias", as in an nn.Sequential.
class Single : public torch::nn::Module {
 public:
  explicit Single(torch::nn::Linear linear) : linear_(register_module("0", std::move(linear))) {}
  const torch::nn::LinearImpl& linear() const { return *linear_; }

 private:
  torch::nn::Linear linear_;
};

}  // namespace tessera::egnn
