#include "tessera/systems/egnn/linear_models.h"

#include <torch/torch.h>

#include "tessera/systems/egnn/graph.h"

namespace tessera::egnn {

LinearMap::LinearMap(const EgnnConfig& config)
    : linear_(register_module("linear",
                              torch::nn::Linear(config.node_in_dim, config.node_out_dim))) {}

at::Tensor LinearMap::forward(const at::Tensor& h) const {
  return at::linear(h, linear_->weight, linear_->bias);
}

TensorMap LinearMap::run(const TensorMap& inputs) {
  return {{"x", forward(read_rows(inputs, "h", -1, linear_->weight.size(1), linear_->weight))}};
}

LinearDynamics::LinearDynamics(const EgnnConfig& config)
    : coord_dim_(config.coord_dim),
      time_(register_parameter("time", at::full({1}, 0.7))) {}

at::Tensor LinearDynamics::forward(const at::Tensor& x, const at::Tensor& vel) const {
  return at::addcmul(x, vel, time_);
}

TensorMap LinearDynamics::run(const TensorMap& inputs) {
  const at::Tensor& x = read_rows(inputs, "x", -1, coord_dim_, time_);
  return {{"x", forward(x, read_rows(inputs, "vel", x.size(0), coord_dim_, time_))}};
}

TensorMap Identity::run(const TensorMap& inputs) { return {{"x", inputs.at("x")}}; }

}  // namespace tessera::egnn
