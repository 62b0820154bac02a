#include "tessera/systems/skeleton/model.h"

#include <ATen/ATen.h>

#include "tessera/core/error.h"

namespace tessera::skeleton {
namespace {

void check(const at::Tensor& x, int64_t in_dim) {
  if (x.dim() == 2 && x.size(1) == in_dim && x.is_floating_point()) return;
  fail<InvalidArgument>({.where = "skeleton",
                         .rule = "x must be floats (B, " + std::to_string(in_dim) + ")",
                         .got = c10::str(x.scalar_type(), " ", x.sizes()),
                         .next = "Set model.in_dim to the width of the data.",
                         .id = "T-SKELETON-01"});
}

}  // namespace

Skeleton::Skeleton(const SkeletonConfig& config)
    : hidden_(register_module("hidden", torch::nn::Linear(config.in_dim, config.hidden_dim))),
      out_(register_module("out", torch::nn::Linear(config.hidden_dim, config.out_dim))) {}

at::Tensor Skeleton::forward(const at::Tensor& x) {
  check(x, hidden_->weight.size(1));
  return out_(hidden_(x).tanh());
}

TensorMap Skeleton::run(const TensorMap& inputs) { return {{"y", forward(inputs.at("x"))}}; }

LinearModel::LinearModel(const SkeletonConfig& config)
    : out_(register_module("out", torch::nn::Linear(config.in_dim, config.out_dim))) {}

TensorMap LinearModel::run(const TensorMap& inputs) {
  check(inputs.at("x"), out_->weight.size(1));
  return {{"y", out_(inputs.at("x"))}};
}

std::shared_ptr<Model> make_model(const SkeletonConfig& config) {
  if (config.architecture == "linear") return std::make_shared<LinearModel>(config);
  return std::make_shared<Skeleton>(config);
}

}  // namespace tessera::skeleton
