#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>

#include "tessera/nn/sequence_baseline.h"

namespace tessera::nn {

/// One recurrent layer, from the zero state, time first: (T, B, D) → (T, B, H), every step's
/// output.
class SequenceLayer : public torch::nn::Module {
 public:
  virtual at::Tensor forward(const at::Tensor& x_TBD) = 0;
};

/// A layer of options.kind (not linear) with `input_dim` inputs. Its parameters:
///   lstm, gru, rnn  weight_ih, weight_hh, bias_ih, bias_hh in torch's layout, U(±1/√H)
///   cornn           weight (H, D+2H), columns x, z, y; bias; as torch's Linear
///   indrnn          weight (H, D), bias as torch's Linear; u (H) ~ U(0, 1)
std::shared_ptr<SequenceLayer> make_sequence_layer(const SequenceBaselineOptions& options,
                                                   int64_t input_dim);

}  // namespace tessera::nn
