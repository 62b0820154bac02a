#include "tessera/systems/gfnn/baselines.h"

#include <torch/types.h>

#include <cmath>

#include "tessera/core/error.h"
#include "tessera/ops/grid_linear.h"
#include "tessera/ops/product.h"
#include "tessera/systems/gfnn/layers.h"

namespace tessera::gfnn {
namespace {

/// U(±√(6/(in + out))), as every node of a grid.
at::Tensor drawn(at::IntArrayRef leading, int64_t out, int64_t in, bool is_shared = false) {
  std::vector<int64_t> sizes(leading.begin(), leading.end());
  sizes.push_back(out);
  sizes.push_back(in);
  const double bound = std::sqrt(6.0 / static_cast<double>(in + out));
  if (!is_shared) return torch::empty(sizes).uniform_(-bound, bound);
  return torch::empty({out, in}).uniform_(-bound, bound).expand(sizes).contiguous();
}

}  // namespace

Perceptron::Perceptron(const GfnnConfig& config) : config_(config) {
  const std::vector<int64_t> dims = config.dims();
  const auto list = register_module("layers", std::make_shared<Layers>());
  for (size_t l = 0; l + 1 < dims.size(); ++l) {
    const auto layer = list->add(
        std::to_string(l),
        std::make_shared<Parameters>(drawn({}, dims[l + 1], dims[l]), torch::zeros({dims[l + 1]})));
    layers_.push_back(layer);
  }
}

TensorMap Perceptron::run(const TensorMap& inputs) {
  const Dropout drop{config_.dropout, is_training() && draws_noise(), &inputs};
  at::Tensor a = checked_x(inputs, config_.in_dim);
  for (size_t l = 0; l < layers_.size(); ++l) {
    a = ops::affine(drop(a, static_cast<int64_t>(l)), layers_[l]->weight, layers_[l]->bias);
    if (l + 1 < layers_.size()) a = activate(a, config_.activation);
  }
  return {{"y", a}};
}

MixtureOfExperts::MixtureOfExperts(const GfnnConfig& config) : config_(config) {
  const int64_t experts = config.num_experts;
  const std::vector<int64_t> dims = config.dims();
  const auto list = register_module("layers", std::make_shared<Layers>());
  for (size_t l = 0; l + 1 < dims.size(); ++l) {
    layers_.push_back(list->add(std::to_string(l),
                                std::make_shared<Parameters>(
                                    drawn({experts}, dims[l + 1], dims[l], config.init == "shared"),
                                    torch::zeros({experts, dims[l + 1]}))));
  }
  std::vector<int64_t> widths = {config.gate_in_dim};
  widths.insert(widths.end(), config.gate_dims.begin(), config.gate_dims.end());
  widths.push_back(experts);
  const auto gates = register_module("gate", std::make_shared<Layers>());
  for (size_t l = 0; l + 1 < widths.size(); ++l) {
    gate_.push_back(gates->add(std::to_string(l),
                               std::make_shared<Parameters>(drawn({}, widths[l + 1], widths[l]),
                                                            torch::zeros({widths[l + 1]}))));
  }
}

at::Tensor MixtureOfExperts::gate(const at::Tensor& g) const {
  at::Tensor a = g;
  for (size_t l = 0; l < gate_.size(); ++l) {
    a = ops::affine(a, gate_[l]->weight, gate_[l]->bias);
    if (l + 1 < gate_.size()) a = activate(a, config_.gate_activation);
  }
  return at::softmax(a, 1);
}

at::Tensor MixtureOfExperts::blend_parameters(const at::Tensor& x, const at::Tensor& p,
                                              const Dropout& drop) const {
  // Every expert is a node that every sample uses.
  const ops::NodeWeights n{
      at::arange(config_.num_experts, x.options().dtype(at::kLong)).expand(p.sizes()), p};
  at::Tensor a = x;
  for (size_t l = 0; l < layers_.size(); ++l) {
    a = ops::grid_linear(drop(a, static_cast<int64_t>(l)), layers_[l]->weight, layers_[l]->bias, n);
    if (l + 1 < layers_.size()) a = activate(a, config_.activation);
  }
  return a;
}

at::Tensor MixtureOfExperts::blend_outputs(const at::Tensor& x, const at::Tensor& p,
                                           const Dropout& drop) const {
  at::Tensor a = x.unsqueeze(1).expand({x.size(0), config_.num_experts, x.size(1)});  // (B, E, in)
  for (size_t l = 0; l < layers_.size(); ++l) {
    const at::Tensor dropped = drop(a, static_cast<int64_t>(l));
    a = at::bmm(dropped.transpose(0, 1), layers_[l]->weight.transpose(1, 2)).transpose(0, 1) +
        layers_[l]->bias;
    if (l + 1 < layers_.size()) a = activate(a, config_.activation);
  }
  return (p.unsqueeze(2) * a).sum(1);
}

TensorMap MixtureOfExperts::run(const TensorMap& inputs) {
  const at::Tensor& x = checked_x(inputs, config_.in_dim);
  const at::Tensor& g = checked_g(inputs, config_.gate_in_dim, x);
  if (!at::isfinite(g.detach()).all().item<bool>()) {
    fail<InvalidArgument>({.where = "gfnn",
                           .rule = "the gate's input must be finite",
                           .got = "NaN or infinity",
                           .id = "T-GFN-13"});
  }
  const Dropout drop{config_.dropout, is_training() && draws_noise(), &inputs};
  const at::Tensor p = gate(g);
  const at::Tensor y =
      config_.blend == "outputs" ? blend_outputs(x, p, drop) : blend_parameters(x, p, drop);
  return {{"y", y}, {"gate", p}};
}

}  // namespace tessera::gfnn
