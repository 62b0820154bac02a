#include "tessera/systems/egnn/perceptron.h"

#include <torch/nn/init.h>

namespace tessera::egnn {

Perceptron::Perceptron(int64_t in, int64_t hidden, int64_t out, ops::Activation activation)
    : first_(register_module("0", torch::nn::Linear(in, hidden))),
      second_(register_module("2", torch::nn::Linear(hidden, out))),
      activation_(activation) {}

Perceptron::Perceptron(torch::nn::Linear first, torch::nn::Linear second,
                       ops::Activation activation)
    : first_(register_module("0", std::move(first))),
      second_(register_module("2", std::move(second))),
      activation_(activation) {}

at::Tensor Perceptron::forward(const ops::PerceptronInput& input, bool residual) const {
  return ops::perceptron(input, weights(), activation_, residual);
}

ops::PerceptronWeights Perceptron::weights() const {
  return {first_->weight, first_->bias, second_->weight, second_->bias};
}

torch::nn::Linear small_linear(int64_t dim) {
  torch::nn::Linear linear(torch::nn::LinearOptions(dim, 1).bias(false));
  torch::nn::init::xavier_uniform_(linear->weight, 0.001);
  return linear;
}

}  // namespace tessera::egnn
