#pragma once

#include <torch/nn/modules/linear.h>

#include "tessera/systems/egnn/config.h"
#include "tessera/systems/model.h"

namespace tessera::egnn {

/// `linear`: one linear map of [x, v] to the position.
class LinearMap : public Model {
 public:
  explicit LinearMap(const EgnnConfig& config);
  at::Tensor forward(const at::Tensor& h) const;
  /// h (N, node_in_dim) → x (N, node_out_dim).
  TensorMap run(const TensorMap& inputs) override;

 private:
  torch::nn::Linear linear_;
};

/// `linear_dynamics`: x + v·t with one learned time t; the row "Linear" of the paper's table 2.
class LinearDynamics : public Model {
 public:
  explicit LinearDynamics(const EgnnConfig& config);
  at::Tensor forward(const at::Tensor& x, const at::Tensor& vel) const;
  /// x, vel → x.
  TensorMap run(const TensorMap& inputs) override;

 private:
  int64_t coord_dim_;
  at::Tensor time_;
};

/// `identity`: predicts that nothing moves. No parameters: it is evaluated, never trained.
class Identity : public Model {
 public:
  /// x → x.
  TensorMap run(const TensorMap& inputs) override;
};

}  // namespace tessera::egnn
