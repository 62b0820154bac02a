#pragma once

#include "tessera/systems/lmu/layer.h"
#include "tessera/systems/lmu/memory.h"

namespace tessera::lmu {

/// The cell that reads the memory in GeneralLayer: none, dense, rnn, lstm, gru. Weights (in, out)
/// as Keras keeps them.
class HiddenCell : public torch::nn::Module {
 public:
  HiddenCell(const LmuConfig& config, int64_t input_dim);
  int64_t output_dim() const;
  bool is_recurrent() const { return recurrent_kernel_.defined(); }
  /// What z contributes, of one step or of all: (…, gates·H).
  at::Tensor project(const at::Tensor& z) const;
  /// One step from the projection (B, gates·H); updates state.h and state.c and returns the output.
  at::Tensor step(const at::Tensor& projected, State& state) const;
  /// The output of a cell without recurrence, any leading axes.
  at::Tensor pointwise(const at::Tensor& projected) const;

 private:
  at::Tensor hidden_or_zeros(const at::Tensor& hidden, const at::Tensor& projected) const;
  at::Tensor lstm(const at::Tensor& projected, State& state) const;
  at::Tensor gru(const at::Tensor& projected, State& state) const;

  std::string kind_, activation_;
  int64_t hidden_dim_, input_dim_;
  at::Tensor kernel_, recurrent_kernel_, bias_;
};

/// The general cell (README, "Every link"):
///   v = dropout([x, h])          u = v K + b + (dropped m) R          m' = Ā m + B̄ u, M systems
///   o = hidden_cell([m', x])
/// Without links back into the memory the whole sequence is computed at once.
class GeneralLayer : public Layer {
 public:
  GeneralLayer(const LmuConfig& config, int64_t input_dim);
  LayerResult forward(const at::Tensor& x, const State& state, bool every_step) override;
  int64_t output_dim() const override { return hidden_cell_->output_dim(); }
  /// 1/theta stays at or above 0.
  void constrain() override;

 private:
  LayerResult feedforward(const at::Tensor& x, const State& state, bool every_step);
  LayerResult recurrent(const at::Tensor& x, const State& state, bool every_step);
  /// 1 or 1/(1−p) or 0, the same at every step; undefined where nothing is dropped.
  at::Tensor mask(double dropout, int64_t batch, int64_t width, const at::Tensor& like) const;
  at::Tensor encode(const at::Tensor& v) const;
  Kernels kernels(int64_t length, const at::Tensor& like, bool with_impulse);

  LmuConfig config_;
  int64_t input_dim_;
  DelayMemory memory_;
  std::shared_ptr<HiddenCell> hidden_cell_;
  at::Tensor kernel_, bias_, recurrent_kernel_, theta_inv_;
};

}  // namespace tessera::lmu
