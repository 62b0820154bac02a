#include "tessera/nn/convnet/reconstruct.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <numbers>

#include "tessera/core/error.h"

namespace tessera::nn {
namespace {

/// Adam on one tensor, with torch's constants.
class Adam {
 public:
  explicit Adam(const at::Tensor& parameter)
      : mean_(at::zeros_like(parameter)), square_(at::zeros_like(parameter)) {}

  void step(at::Tensor parameter, const at::Tensor& gradient, double lr) {
    constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEps = 1e-8;
    ++steps_;
    mean_.lerp_(gradient, 1 - kBeta1);
    square_.mul_(kBeta2).addcmul_(gradient, gradient, 1 - kBeta2);
    const auto t = static_cast<double>(steps_);
    const double correction = std::sqrt(1 - std::pow(kBeta2, t));
    const at::Tensor scale = square_.sqrt().div_(correction).add_(kEps);
    parameter.addcdiv_(mean_, scale, -lr / (1 - std::pow(kBeta1, t)));
  }

 private:
  at::Tensor mean_, square_;
  int64_t steps_ = 0;
};

void check_index(const at::Tensor& index, const ReconstructOptions& options, int64_t samples) {
  const bool fits = index.defined() && index.scalar_type() == at::kLong && index.dim() == 2 &&
                    index.size(0) >= options.iters && index.size(1) == options.batch_size &&
                    index.min().item<int64_t>() >= 0 && index.max().item<int64_t>() < samples;
  if (fits) return;
  fail<InvalidArgument>(
      {.where = "reconstruct",
       .rule = "an index is int64 [" + std::to_string(options.iters) + ", " +
               std::to_string(options.batch_size) + "] into " + std::to_string(samples) +
               " samples",
       .got = index.defined() ? c10::str(index.scalar_type(), " ", index.sizes()) : "none",
       .id = "T-REC-01"});
}

}  // namespace

at::Tensor clip_floor(const at::Tensor& z, const at::Tensor& V, int64_t T) {
  const auto steps = static_cast<double>(T);
  at::Tensor levels = (z / V * steps).clamp(0, steps);
  levels = levels + (levels.floor() - levels).detach();
  return levels * V / steps;
}

at::Tensor reconstruct_loss(const Layer& layer, const LayerTensors& tensors,
                            const ReconstructData& batch, const at::Tensor& V, int64_t T) {
  at::Tensor z =
      apply(layer, tensors, std::span<const at::Tensor>(&batch.input, 1), Mode::kEvaluate);
  if (batch.residual.defined()) z = z + batch.residual;
  return (clip_floor(z, V, T) - batch.target).square().sum(1).mean();
}

Reconstructed reconstruct(const Layer& layer, const LayerTensors& tensors,
                          const ReconstructData& data, const at::Tensor& V, int64_t T,
                          const ReconstructOptions& options, const at::Tensor& index) {
  check_index(index, options, data.input.size(0));
  const at::Tensor weight = tensors.weight.detach().clone().requires_grad_();
  LayerTensors fitted = tensors;
  fitted.weight = weight;
  Adam adam(weight.detach());
  std::vector<double> losses;
  for (int64_t k = 0; k < options.iters; ++k) {
    const at::Tensor chosen = index[k];
    const auto rows = [&](const at::Tensor& all) {
      return all.defined() ? all.index_select(0, chosen) : all;
    };
    const at::AutoGradMode with_grad(true);
    const at::Tensor loss = reconstruct_loss(
        layer, fitted, {rows(data.input), rows(data.residual), rows(data.target)}, V, T);
    const at::Tensor gradient = torch::autograd::grad({loss}, {weight})[0];
    const double phase =
        std::numbers::pi * static_cast<double>(k) / static_cast<double>(options.iters);
    const at::NoGradGuard no_grad;
    adam.step(weight, gradient, options.lr * (1 + std::cos(phase)) / 2);
    losses.push_back(loss.item<double>());
  }
  return {.weight = weight.detach(),
          .losses = at::tensor(losses, at::kDouble).to(weight.scalar_type())};
}

}  // namespace tessera::nn
