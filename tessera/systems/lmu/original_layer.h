#pragma once

#include "tessera/systems/lmu/layer.h"
#include "tessera/systems/lmu/memory.h"

namespace tessera::lmu {

/// The cell of 2019 and its gated form (README, "The original cell"):
///   u = e_x x + e_h h + e_m m          f = g(W_fx x + W_fh h + b_f), 1 without gate
///   m' = Ā m + f ⊙ (B̄ u)              h' = tanh(W_x x + W_h h + W_m m' [+ b])
/// u reads the old h and m, h' the new m.
class OriginalLayer : public Layer {
 public:
  OriginalLayer(const LmuConfig& config, int64_t input_dim);
  LayerResult forward(const at::Tensor& x, const State& state, bool every_step) override;
  int64_t output_dim() const override { return config_.hidden_dim; }

 private:
  LmuConfig config_;
  std::shared_ptr<torch::nn::Module> cell_;  // its parameters' names begin with "cell."
  at::Tensor e_x_, e_h_, e_m_, W_x_, W_h_, W_m_, bias_, A_, B_, W_fx_, W_fh_, b_f_;
};

}  // namespace tessera::lmu
