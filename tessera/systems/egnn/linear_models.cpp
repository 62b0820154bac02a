#include "tessera/systems/egnn/linear_models.h"

#include <torch/types.h>

#include "tessera/systems/egnn/graph.h"

namespace tessera::egnn {

LinearMap::LinearMap(const EgnnConfig& config)
    : linear_(
          register_module("linear", torch::nn::Linear(config.node_in_dim, config.node_out_dim))) {}

at::Tensor LinearMap::forward(const at::Tensor& h) const {
  return at::linear(h, linear_->weight, linear_->bias);
}

TensorMap LinearMap::run(const TensorMap& inputs) {
  const at::Tensor& h = inputs.at("h");
  check_rows(h, "h", -1, linear_->weight.size(1), linear_->weight);
  return {{"x", forward(h)}};
}

LinearDynamics::LinearDynamics(const EgnnConfig& config)
    : coord_dim_(config.coord_dim), time_(register_parameter("time", at::full({1}, 0.7))) {}

at::Tensor LinearDynamics::forward(const at::Tensor& x, const at::Tensor& vel) const {
  return at::addcmul(x, vel, time_);
}

TensorMap LinearDynamics::run(const TensorMap& inputs) {
  const at::Tensor &x = inputs.at("x"), &vel = inputs.at("vel");
  check_rows(x, "x", -1, coord_dim_, time_);
  check_rows(vel, "vel", x.size(0), coord_dim_, time_);
  return {{"x", forward(x, vel)}};
}

TensorMap Identity::run(const TensorMap& inputs) { return {{"x", inputs.at("x")}}; }

}  // namespace tessera::egnn
