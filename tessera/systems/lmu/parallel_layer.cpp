#include "tessera/systems/lmu/parallel_layer.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "tessera/ops/causal_convolution.h"
#include "tessera/ops/product.h"
#include "tessera/systems/lmu/form_choice.h"

namespace tessera::lmu {

ParallelLayer::ParallelLayer(const LmuConfig& config, int64_t input_dim)
    : config_(config),
      memory_(config.order, config.theta, discretizer_of(config.discretizer), config.truncate_ir) {
  const int64_t width = config.memory_dim, size = width * config.order;
  W_u_ = register_module(
      "W_u", torch::nn::Linear(torch::nn::LinearOptions(input_dim, width).bias(config.use_bias)));
  if (config.hidden_cell != "none") {
    const int64_t read = size + (config.input_to_hidden ? input_dim : 0);
    W_h_ = register_module("W_h", torch::nn::Linear(read, config.hidden_dim));
  }
}

int64_t ParallelLayer::output_dim() const {
  return W_h_ ? config_.hidden_dim : config_.memory_dim * config_.order;
}

at::Tensor ParallelLayer::read(const at::Tensor& m, const at::Tensor& x) const {
  if (!W_h_) return m;
  const at::Tensor z = config_.input_to_hidden ? at::cat({m, x}, -1) : m;
  return activate(config_.hidden_activation, ops::affine(z, W_h_->weight, W_h_->bias));
}

bool ParallelLayer::folds_output_map(int64_t batch, int64_t length) const {
  return W_h_ && config_.memory_dim == 1 &&
         folding_is_faster({.batch = batch,
                            .length = length,
                            .order = config_.order,
                            .outputs = config_.hidden_dim});
}

at::Tensor ParallelLayer::folded_outputs(const at::Tensor& u, const at::Tensor& m0,
                                         const at::Tensor& x, const Kernels& kernels) const {
  const int64_t length = u.size(1), n = config_.order, reach = kernels.impulse.size(0);
  const at::Tensor W_m_HN = W_h_->weight.narrow(1, 0, n);
  const at::Tensor read_LH =
      ops::product(kernels.impulse.narrow(0, 0, std::min(length, reach)), W_m_HN.t());
  at::Tensor z = ops::causal_convolution(u.squeeze(2), read_LH);
  if (m0.defined()) z = z + at::matmul(decay(m0, kernels.A_t, length).squeeze(2), W_m_HN.t());
  z = config_.input_to_hidden ? z + ops::affine(x, W_h_->weight.narrow(1, n, x.size(2)), W_h_->bias)
                              : z + W_h_->bias;
  return activate(config_.hidden_activation, z);
}

LayerResult ParallelLayer::forward(const at::Tensor& x, const State& state, bool every_step) {
  const int64_t batch = x.size(0), length = x.size(1), width = config_.memory_dim,
                n = config_.order;
  const at::Tensor u =
      activate(config_.encoder_activation, ops::affine(x, W_u_->weight, W_u_->bias));
  const at::Tensor m0 = state.m.defined() ? state.m.view({batch, width, n}) : at::Tensor();
  const Kernels& kernels = memory_.kernels(length, x.options());
  const Mode mode = mode_of(config_.mode);
  LayerResult result;
  if (!every_step) {
    // One step of a stream is cheapest as itself.
    const Mode used = mode == Mode::kAuto && length == 1 ? Mode::kRecurrent : mode;
    result.state.m = final_memory(u, m0, kernels, used).reshape({batch, width * n});
    result.last = read(result.state.m, x.select(1, length - 1));
  } else if ((mode == Mode::kAuto || mode == Mode::kFft) && length > 1 &&
             folds_output_map(batch, length)) {
    result.outputs = folded_outputs(u, m0, x, kernels);
    result.last = result.outputs.select(1, length - 1);
    result.state.m = final_memory(u, m0, kernels, Mode::kFinalState).reshape({batch, n});
  } else {
    const at::Tensor m = memory_states(u, m0, kernels, mode).reshape({batch, length, width * n});
    result.outputs = read(m, x);
    result.last = result.outputs.select(1, length - 1);
    result.state.m = m.select(1, length - 1);
  }
  result.state.h = result.last;
  return result;
}

}  // namespace tessera::lmu
