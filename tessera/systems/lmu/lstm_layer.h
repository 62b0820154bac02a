#pragma once

#include "tessera/systems/lmu/layer.h"

namespace tessera::lmu {

/// An LSTM as a layer of the hybrid stack; torch's weight names and gate order (i, f, g, o).
class LstmLayer : public Layer {
 public:
  LstmLayer(const LmuConfig& config, int64_t input_dim);
  LayerResult forward(const at::Tensor& x, const State& state, bool every_step) override;
  int64_t output_dim() const override { return hidden_dim_; }

 private:
  int64_t hidden_dim_;
  at::Tensor weight_ih_, weight_hh_, bias_ih_, bias_hh_;
};

}  // namespace tessera::lmu
