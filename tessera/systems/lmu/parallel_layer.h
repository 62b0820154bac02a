#pragma once

#include <torch/nn/modules/linear.h>

#include "tessera/systems/lmu/layer.h"
#include "tessera/systems/lmu/memory.h"

namespace tessera::lmu {

/// The layer of the parallel model (paper 2021, eqs. 18-20):
///   u_t = f1(U_x x_t + b_u)        m_t = Ā m_{t−1} + B̄ u_t        h_t = f2(W_m m_t + W_x x_t +
///   b_o)
/// W_h holds [W_m | W_x]. Nothing flows back, so that all steps, or the last alone, are computed at
/// once; at inference `step` runs the same weights with state m.
class ParallelLayer : public Layer {
 public:
  ParallelLayer(const LmuConfig& config, int64_t input_dim);
  LayerResult forward(const at::Tensor& x, const State& state, bool every_step) override;
  int64_t output_dim() const override;

 private:
  /// Whether W_m is cheaper inside the kernel than after it: an H-channel convolution of u, and no
  /// state of a step is ever made.
  bool folds_output_map(int64_t batch, int64_t length) const;
  at::Tensor folded_outputs(const at::Tensor& u, const at::Tensor& m0, const at::Tensor& x,
                            const Kernels& kernels) const;
  at::Tensor read(const at::Tensor& m, const at::Tensor& x) const;

  LmuConfig config_;
  DelayMemory memory_;
  torch::nn::Linear W_u_{nullptr}, W_h_{nullptr};
};

}  // namespace tessera::lmu
