#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <string>
#include <string_view>

#include "tessera/core/tensor_map.h"

namespace tessera::gfnn {

/// A module that only holds others, under numbers: "layers.0".
struct Layers : torch::nn::Module {
  template <class Module>
  std::shared_ptr<Module> add(const std::string& name, std::shared_ptr<Module> module) {
    return register_module(name, std::move(module));
  }
};

/// relu, elu (α = 1), tanh, silu, identity.
at::Tensor activate(const at::Tensor& z, std::string_view name);

/// The inputs that layers are given with some of them dropped, inverted scaling.
struct Dropout {
  double share = 0;
  bool draws = false;                 ///< in training, where the inputs hold no mask
  const TensorMap* inputs = nullptr;  ///< dropout_mask_l

  /// a: (B, in), or (B, E, in) of a mixture's experts, whose mask may be (B, in).
  at::Tensor operator()(const at::Tensor& a, int64_t layer) const;
};

/// x, checked: (B, in_dim).
const at::Tensor& checked_x(const TensorMap& inputs, int64_t in_dim);
/// g, checked: (B, columns), finite values are the operator's to check.
const at::Tensor& checked_g(const TensorMap& inputs, int64_t columns, const at::Tensor& x);

}  // namespace tessera::gfnn
