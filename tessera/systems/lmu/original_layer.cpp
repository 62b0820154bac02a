#include "tessera/systems/lmu/original_layer.h"

#include <ATen/ATen.h>
#include <torch/nn/init.h>

#include <cmath>

#include "tessera/ops/lmu_cell.h"
#include "tessera/ops/product.h"

namespace tessera::lmu {
namespace {

at::Tensor lecun_uniform(int64_t fan_in) {
  const double bound = std::sqrt(3.0 / static_cast<double>(fan_in));
  return at::empty({1, fan_in}).uniform_(-bound, bound);
}

at::Tensor glorot_normal(int64_t out, int64_t in) {
  return at::randn({out, in}) * std::sqrt(2.0 / static_cast<double>(in + out));
}

}  // namespace

OriginalLayer::OriginalLayer(const LmuConfig& config, int64_t input_dim) : config_(config) {
  const int64_t hidden = config.hidden_dim, order = config.order;
  cell_ = register_module("cell", std::make_shared<torch::nn::Module>("cell"));
  const bool is_psmnist = config.init == "psmnist";
  const auto parameter = [&](const char* name, const at::Tensor& value, bool learns = true) {
    return cell_->register_parameter(name, value, learns);
  };
  e_x_ = parameter("e_x", is_psmnist ? at::ones({1, input_dim}) : lecun_uniform(input_dim));
  e_h_ = parameter("e_h", is_psmnist ? at::zeros({1, hidden}) : lecun_uniform(hidden));
  e_m_ = parameter("e_m", at::zeros({1, order}));
  W_x_ = parameter("W_x",
                   is_psmnist ? at::zeros({hidden, input_dim}) : glorot_normal(hidden, input_dim));
  at::Tensor W_h = is_psmnist ? at::zeros({hidden, hidden}) : glorot_normal(hidden, hidden);
  if (config.init == "uniform_hidden") W_h = at::empty({hidden, hidden}).uniform_(-0.05, 0.05);
  W_h_ = parameter("W_h", W_h);
  W_m_ = parameter("W_m", glorot_normal(hidden, order));
  if (config.hidden_bias) bias_ = parameter("b", at::zeros({hidden}));
  if (config.variant == "original_gating") {
    W_fx_ = parameter("W_fx", at::ones({order, input_dim}), config.learn_gate);
    W_fh_ = parameter("W_fh", at::ones({order, hidden}), config.learn_gate);
    b_f_ = parameter("b_f", at::zeros({order}), config.learn_gate);
  }

  warn_if_unstable(order, config.theta, discretizer_of(config.discretizer));
  const StateSpace system =
      discretise(delay_system(order), 1 / config.theta, discretizer_of(config.discretizer));
  const at::Tensor A = system.A.to(at::kFloat), B = system.B.to(at::kFloat).view({order, 1});
  A_ = config.learn_a ? parameter("A", A) : cell_->register_buffer("A", A);
  B_ = config.learn_b ? parameter("B", B) : cell_->register_buffer("B", B);
}

LayerResult OriginalLayer::forward(const at::Tensor& x, const State& state, bool every_step) {
  const int64_t batch = x.size(0), length = x.size(1);
  const auto zeros = [&](int64_t width) { return at::zeros({batch, width}, x.options()); };
  // What x contributes to every step at once, time first: each step then reads one block.
  const at::Tensor x_TBD = x.transpose(0, 1);
  const bool is_gated = config_.variant == "original_gating";
  const ops::LmuCellInput input{.u = ops::affine(x_TBD, e_x_).squeeze(2),
                                .h = ops::affine(x_TBD, W_x_, bias_),
                                .gate = is_gated ? ops::affine(x_TBD, W_fx_, b_f_) : at::Tensor(),
                                .h0 = state.h.defined() ? state.h : zeros(config_.hidden_dim),
                                .m0 = state.m.defined() ? state.m : zeros(config_.order)};
  const ops::LmuCellWeights weights{
      .e_h = e_h_, .e_m = e_m_, .W_h = W_h_, .W_m = W_m_, .A = A_, .B = B_, .W_fh = W_fh_};
  const ops::LmuCellResult result = ops::lmu_cell(input, weights,
                                                  {.hidden = config_.hidden_activation,
                                                   .encoder = config_.encoder_activation,
                                                   .gate = config_.gate_activation});
  LayerResult out{.last = result.h.select(0, length - 1),
                  .state = {.h = result.h.select(0, length - 1), .m = result.m_n}};
  if (every_step) out.outputs = result.h.transpose(0, 1);
  return out;
}

}  // namespace tessera::lmu
