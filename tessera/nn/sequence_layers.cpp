#include "tessera/nn/sequence_layers.h"

#include <ATen/ATen.h>

#include <cmath>
#include <vector>

#include "tessera/ops/product.h"

namespace tessera::nn {
namespace {

at::Tensor uniform(at::IntArrayRef sizes, int64_t fan_in) {
  const double bound = 1 / std::sqrt(static_cast<double>(fan_in));
  return at::empty(sizes).uniform_(-bound, bound);
}

/// LSTM, GRU or tanh: `gates` blocks of H rows in each weight.
class AtenLayer final : public SequenceLayer {
 public:
  AtenLayer(const std::string& kind, int64_t gates, int64_t input_dim, int64_t hidden_dim)
      : kind_(kind), hidden_dim_(hidden_dim) {
    const int64_t rows = gates * hidden_dim;
    weights_ = {
        register_parameter("weight_ih", uniform({rows, input_dim}, hidden_dim)),
        register_parameter("weight_hh", uniform({rows, hidden_dim}, hidden_dim)),
        register_parameter("bias_ih", uniform({rows}, hidden_dim)),
        register_parameter("bias_hh", uniform({rows}, hidden_dim)),
    };
  }

  at::Tensor forward(const at::Tensor& x_TBD) override {
    const at::Tensor zero = at::zeros({1, x_TBD.size(1), hidden_dim_}, x_TBD.options());
    const auto run = [&](auto function) {
      return std::get<0>(function(x_TBD, zero, weights_, /*has_biases=*/true, /*num_layers=*/1,
                                  /*dropout=*/0.0, is_training(), /*bidirectional=*/false,
                                  /*batch_first=*/false));
    };
    if (kind_ == "gru") return run([](auto&&... a) { return at::gru(a...); });
    if (kind_ == "rnn") return run([](auto&&... a) { return at::rnn_tanh(a...); });
    return std::get<0>(
        at::lstm(x_TBD, {zero, zero}, weights_, true, 1, 0.0, is_training(), false, false));
  }

 private:
  std::string kind_;
  int64_t hidden_dim_;
  std::vector<at::Tensor> weights_;
};

/// Rusch and Mishra 2021: damped, driven oscillators.
class CornnLayer final : public SequenceLayer {
 public:
  CornnLayer(const SequenceBaselineOptions& options, int64_t input_dim)
      : dt_(options.dt), gamma_(options.gamma), epsilon_(options.epsilon) {
    const int64_t width = input_dim + 2 * options.hidden_dim;
    weight_ = register_parameter("weight", uniform({options.hidden_dim, width}, width));
    bias_ = register_parameter("bias", uniform({options.hidden_dim}, width));
  }

  at::Tensor forward(const at::Tensor& x_TBD) override {
    const int64_t input_dim = x_TBD.size(2), hidden = weight_.size(0);
    // The inputs' part of every step at once: one large product instead of T small ones.
    const at::Tensor drive_TBH = ops::affine(x_TBD, weight_.narrow(1, 0, input_dim), bias_);
    const at::Tensor recurrent = weight_.narrow(1, input_dim, 2 * hidden).t();
    at::Tensor z = at::zeros_like(drive_TBH[0]), y = z;
    std::vector<at::Tensor> outputs;
    outputs.reserve(static_cast<size_t>(x_TBD.size(0)));
    for (const at::Tensor& drive : drive_TBH.unbind(0)) {
      const at::Tensor force = at::addmm(drive, at::cat({z, y}, 1), recurrent).tanh();
      z = z + dt_ * (force - gamma_ * y - epsilon_ * z);
      y = y + dt_ * z;
      outputs.push_back(y);
    }
    return at::stack(outputs);
  }

 private:
  double dt_, gamma_, epsilon_;
  at::Tensor weight_, bias_;
};

/// Li et al. 2018: neurons that see only their own past.
class IndrnnLayer final : public SequenceLayer {
 public:
  IndrnnLayer(int64_t input_dim, int64_t hidden_dim) {
    weight_ = register_parameter("weight", uniform({hidden_dim, input_dim}, input_dim));
    bias_ = register_parameter("bias", uniform({hidden_dim}, input_dim));
    u_ = register_parameter("u", at::empty({hidden_dim}).uniform_(0, 1));
  }

  at::Tensor forward(const at::Tensor& x_TBD) override {
    const at::Tensor drive_TBH = ops::affine(x_TBD, weight_, bias_);
    at::Tensor h = at::zeros_like(drive_TBH[0]);
    std::vector<at::Tensor> outputs;
    outputs.reserve(static_cast<size_t>(x_TBD.size(0)));
    for (const at::Tensor& drive : drive_TBH.unbind(0)) {
      h = at::addcmul(drive, u_, h).relu();
      outputs.push_back(h);
    }
    return at::stack(outputs);
  }

 private:
  at::Tensor weight_, bias_, u_;
};

}  // namespace

std::shared_ptr<SequenceLayer> make_sequence_layer(const SequenceBaselineOptions& options,
                                                   int64_t input_dim) {
  const int64_t hidden = options.hidden_dim;
  if (options.kind == "cornn") return std::make_shared<CornnLayer>(options, input_dim);
  if (options.kind == "indrnn") return std::make_shared<IndrnnLayer>(input_dim, hidden);
  const int64_t gates = options.kind == "lstm" ? 4 : options.kind == "gru" ? 3 : 1;
  return std::make_shared<AtenLayer>(options.kind, gates, input_dim, hidden);
}

}  // namespace tessera::nn
