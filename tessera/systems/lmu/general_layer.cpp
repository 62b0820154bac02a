#include "tessera/systems/lmu/general_layer.h"

#include <ATen/ATen.h>
#include <torch/nn/init.h>

#include "tessera/ops/product.h"

namespace tessera::lmu {
namespace {

at::Tensor glorot(int64_t in, int64_t out) {
  return torch::nn::init::xavier_uniform_(at::empty({in, out}));
}

at::Tensor orthogonal(int64_t in, int64_t out) {
  return torch::nn::init::orthogonal_(at::empty({in, out}));
}

/// v·K with K (in, out), any leading axes.
at::Tensor times(const at::Tensor& v, const at::Tensor& kernel) {
  return ops::affine(v, kernel.t());
}

int64_t gates_of(const std::string& kind) { return kind == "lstm" ? 4 : kind == "gru" ? 3 : 1; }

}  // namespace

// ---- The hidden cell ----------------------------------------------------------------------------

HiddenCell::HiddenCell(const LmuConfig& config, int64_t input_dim)
    : kind_(config.hidden_cell),
      activation_(config.hidden_activation),
      hidden_dim_(config.hidden_dim),
      input_dim_(input_dim) {
  if (kind_ == "none") return;
  const int64_t width = gates_of(kind_) * hidden_dim_;
  kernel_ = register_parameter("kernel", glorot(input_dim, width));
  if (kind_ != "dense") {
    recurrent_kernel_ = register_parameter("recurrent_kernel", orthogonal(hidden_dim_, width));
  }
  at::Tensor bias = kind_ == "gru" ? at::zeros({2, width}) : at::zeros({width});
  // The forget gate starts open.
  if (kind_ == "lstm") bias.narrow(0, hidden_dim_, hidden_dim_).fill_(1);
  bias_ = register_parameter("bias", bias);
}

int64_t HiddenCell::output_dim() const { return kind_ == "none" ? input_dim_ : hidden_dim_; }

at::Tensor HiddenCell::project(const at::Tensor& z) const {
  if (kind_ == "none") return z;
  return ops::affine(z, kernel_.t(), kind_ == "gru" ? bias_[0] : bias_);
}

at::Tensor HiddenCell::pointwise(const at::Tensor& projected) const {
  return kind_ == "dense" ? activate(activation_, projected) : projected;
}

at::Tensor HiddenCell::hidden_or_zeros(const at::Tensor& hidden,
                                       const at::Tensor& projected) const {
  return hidden.defined() ? hidden
                          : at::zeros({projected.size(0), hidden_dim_}, projected.options());
}

at::Tensor HiddenCell::step(const at::Tensor& projected, State& state) const {
  if (kind_ == "lstm") return lstm(projected, state);
  if (kind_ == "gru") return gru(projected, state);
  if (kind_ == "rnn") {
    const at::Tensor h = hidden_or_zeros(state.h, projected);
    return state.h = activate(activation_, projected + times(h, recurrent_kernel_));
  }
  const at::Tensor out = pointwise(projected);
  // What hidden_to_memory reads of a dense cell is its output.
  if (kind_ == "dense") state.h = out;
  return out;
}

at::Tensor HiddenCell::lstm(const at::Tensor& projected, State& state) const {
  const at::Tensor h = hidden_or_zeros(state.h, projected), c = hidden_or_zeros(state.c, projected);
  const auto gates = (projected + times(h, recurrent_kernel_)).chunk(4, 1);
  const at::Tensor i = at::sigmoid(gates[0]), f = at::sigmoid(gates[1]),
                   g = activate(activation_, gates[2]), o = at::sigmoid(gates[3]);
  state.c = f * c + i * g;
  return state.h = o * activate(activation_, state.c);
}

at::Tensor HiddenCell::gru(const at::Tensor& projected, State& state) const {
  const at::Tensor h = hidden_or_zeros(state.h, projected);
  const auto x = projected.chunk(3, 1);
  // The reset gate acts after the recurrent product, whose bias is the second row.
  const auto r = ops::affine(h, recurrent_kernel_.t(), bias_[1]).chunk(3, 1);
  const at::Tensor z = at::sigmoid(x[0] + r[0]), reset = at::sigmoid(x[1] + r[1]);
  const at::Tensor n = activate(activation_, x[2] + reset * r[2]);
  return state.h = z * h + (1 - z) * n;
}

// ---- The layer ----------------------------------------------------------------------------------

GeneralLayer::GeneralLayer(const LmuConfig& config, int64_t input_dim)
    : config_(config),
      input_dim_(input_dim),
      memory_(config.order, config.theta, discretizer_of(config.discretizer), config.truncate_ir) {
  const int64_t width = config.memory_dim, size = width * config.order;
  const int64_t encoded = input_dim + (config.hidden_to_memory ? config.hidden_dim : 0);
  if (config.input_kernel) kernel_ = register_parameter("kernel", glorot(encoded, width));
  if (config.use_bias) bias_ = register_parameter("bias", at::zeros({width}));
  if (config.memory_to_memory) {
    recurrent_kernel_ = register_parameter("recurrent_kernel", orthogonal(size, width));
  }
  if (config.trainable_theta) {
    theta_inv_ = register_parameter("theta_inv", at::full({1}, 1 / config.theta));
  }
  hidden_cell_ = register_module(
      "hidden_cell",
      std::make_shared<HiddenCell>(config, size + (config.input_to_hidden ? input_dim : 0)));
}

void GeneralLayer::constrain() {
  const at::NoGradGuard no_grad;
  if (theta_inv_.defined()) theta_inv_.clamp_min_(0);
}

LayerResult GeneralLayer::forward(const at::Tensor& x, const State& state, bool every_step) {
  const bool has_feedback = config_.hidden_to_memory || config_.memory_to_memory;
  const bool is_sequential = config_.mode == "recurrent" ||
                             (config_.trainable_theta && config_.mode == "auto") || has_feedback;
  return is_sequential ? recurrent(x, state, every_step) : feedforward(x, state, every_step);
}

at::Tensor GeneralLayer::mask(double dropout, int64_t batch, int64_t width,
                              const at::Tensor& like) const {
  if (dropout == 0 || !is_training()) return {};
  return at::empty({batch, width}, like.options()).bernoulli_(1 - dropout).div_(1 - dropout);
}

at::Tensor GeneralLayer::encode(const at::Tensor& v) const {
  const at::Tensor u = kernel_.defined() ? ops::affine(v, kernel_.t(), bias_)
                       : bias_.defined() ? v + bias_
                                         : v;
  return activate(config_.encoder_activation, u);
}

Kernels GeneralLayer::kernels(int64_t length, const at::Tensor& like, bool with_impulse) {
  if (!theta_inv_.defined()) return memory_.kernels(length, like.options());
  return memory_.kernels(length, theta_inv_, like.options(), with_impulse);
}

LayerResult GeneralLayer::feedforward(const at::Tensor& x, const State& state, bool every_step) {
  const int64_t batch = x.size(0), length = x.size(1), size = config_.memory_dim * config_.order;
  const at::Tensor dropped = mask(config_.dropout, batch, x.size(2), x);
  // Unlike in the recurrent form the dropped input also feeds the hidden cell, as theirs does.
  const at::Tensor x_in = dropped.defined() ? x * dropped.unsqueeze(1) : x;
  const at::Tensor u = encode(x_in);
  const at::Tensor m0 =
      state.m.defined() ? state.m.view({batch, config_.memory_dim, config_.order}) : at::Tensor();
  const Mode mode = mode_of(config_.mode);
  const Kernels used = kernels(length, x, /*with_impulse=*/true);
  LayerResult result;
  result.state = state;
  if (!every_step && !hidden_cell_->is_recurrent()) {
    const at::Tensor m = final_memory(u, m0, used, mode).reshape({batch, size});
    const at::Tensor z = config_.input_to_hidden ? at::cat({m, x_in.select(1, length - 1)}, 1) : m;
    result.state.m = m;
    result.last = hidden_cell_->step(hidden_cell_->project(z), result.state);
    return result;
  }
  const at::Tensor m = memory_states(u, m0, used, mode).reshape({batch, length, size});
  const at::Tensor projected =
      hidden_cell_->project(config_.input_to_hidden ? at::cat({m, x_in}, 2) : m);
  result.state.m = m.select(1, length - 1);
  if (!hidden_cell_->is_recurrent()) {
    result.outputs = hidden_cell_->pointwise(projected);
    result.last = result.outputs.select(1, length - 1);
    if (config_.hidden_cell == "dense") result.state.h = result.last;
    return result;
  }
  std::vector<at::Tensor> outputs;
  for (const at::Tensor& step : projected.unbind(1)) {
    outputs.push_back(hidden_cell_->step(step, result.state));
  }
  result.last = outputs.back();
  if (every_step) result.outputs = at::stack(outputs, 1);
  return result;
}

LayerResult GeneralLayer::recurrent(const at::Tensor& x, const State& state, bool every_step) {
  const int64_t batch = x.size(0), width = config_.memory_dim, n = config_.order;
  const Kernels used = kernels(x.size(1), x, /*with_impulse=*/false);
  const int64_t encoded = input_dim_ + (config_.hidden_to_memory ? config_.hidden_dim : 0);
  const at::Tensor dropped = mask(config_.dropout, batch, encoded, x);
  const at::Tensor dropped_m = mask(config_.recurrent_dropout, batch, width * n, x);
  LayerResult result;
  result.state = state;
  State& now = result.state;
  if (!now.m.defined()) now.m = at::zeros({batch, width * n}, x.options());
  std::vector<at::Tensor> outputs;
  for (const at::Tensor& x_t : x.unbind(1)) {
    at::Tensor v = x_t;
    if (config_.hidden_to_memory) {
      const at::Tensor h =
          now.h.defined() ? now.h : at::zeros({batch, config_.hidden_dim}, x.options());
      v = at::cat({x_t, h}, 1);
    }
    if (dropped.defined()) v = v * dropped;
    at::Tensor u = kernel_.defined() ? ops::affine(v, kernel_.t(), bias_)
                   : bias_.defined() ? v + bias_
                                     : v;
    if (recurrent_kernel_.defined()) {
      u = u + times(dropped_m.defined() ? now.m * dropped_m : now.m, recurrent_kernel_);
    }
    u = activate(config_.encoder_activation, u);
    now.m = memory_step(u, now.m.view({batch, width, n}), used).reshape({batch, width * n});
    const at::Tensor z = config_.input_to_hidden ? at::cat({now.m, x_t}, 1) : now.m;
    outputs.push_back(hidden_cell_->step(hidden_cell_->project(z), now));
  }
  result.last = outputs.back();
  if (every_step) result.outputs = at::stack(outputs, 1);
  return result;
}

}  // namespace tessera::lmu
