#pragma once

#include <torch/nn/modules/linear.h>

#include <memory>

#include "tessera/systems/model.h"
#include "tessera/systems/skeleton/config.h"

namespace tessera::skeleton {

/// y = W₂ tanh(W₁ x + b₁) + b₂  (the paper's equation of the model).
class Skeleton final : public Model {
 public:
  explicit Skeleton(const SkeletonConfig& config);

  /// x: (B, in_dim).   returns (B, out_dim)
  /// Throws InvalidArgument on another shape.
  at::Tensor forward(const at::Tensor& x);

  /// x → y
  TensorMap run(const TensorMap& inputs) override;

 private:
  torch::nn::Linear hidden_, out_;
};

/// The baseline: y = W x + b.
class LinearModel final : public Model {
 public:
  explicit LinearModel(const SkeletonConfig& config);
  /// x → y
  TensorMap run(const TensorMap& inputs) override;

 private:
  torch::nn::Linear out_;
};

/// The model of a configuration, with freshly drawn float32 parameters.
std::shared_ptr<Model> make_model(const SkeletonConfig& config);

}  // namespace tessera::skeleton
