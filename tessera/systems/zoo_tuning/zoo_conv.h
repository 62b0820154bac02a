#pragma once

#include <torch/nn/module.h>

#include <array>

#include "tessera/nn/convnet/evaluate.h"
#include "tessera/ops/aggregated_conv2d.h"

namespace tessera::zoo_tuning {

struct ZooConvOptions {
  int64_t in_channels = 1, out_channels = 1, kernel = 1;
  ops::AggregatedConvOptions geometry;
  bool has_bias = false;
  int64_t num_sources = 5;
  bool is_aligned = false;
  bool is_lite = false;
  double lite_momentum = 0.1;
};

/// An aggregated convolution with its gates (section 4 of the paper). Legend: W_e sources, T_e
/// alignments, V1 and V2 the gate's two maps, a gates, λ their average in lite form.
///   p = mean of x over its map;  a = σ(V2 ReLU(V1 p) + v2);  y = conv(x, Σ_e a_e T_e W_e)
/// Lite: training takes the mean of a over the batch, and λ ← (1 − m) λ + m ā in each forward;
/// evaluation takes λ, so that the layer is one plain convolution.
/// In evaluation without gradients T_e W_e, and the lite kernel, are computed once and kept until a
/// parameter changes.
class ZooConv {
 public:
  /// Registers weight, align_conv, bias, attention.1.weight, attention.3.{weight, bias} and
  /// lite_attention in `owner`, as far as the layer has them, drawn as the authors draw them.
  ZooConv(const ZooConvOptions& options, torch::nn::Module& owner);

  const ZooConvOptions& options() const { return options_; }

  /// a of each sample, whatever the mode. x: (B, I, H, W).  returns (B, E)
  at::Tensor gates(const at::Tensor& x) const;
  struct Outputs {
    at::Tensor y;      ///< (B, O, H', W')
    at::Tensor gates;  ///< a of each sample (B, E); undefined where nothing asked for them
  };
  /// x: (B, I, H, W). Moves λ where lite and kTrain. Lite evaluation needs no gates and computes
  /// them only where they are asked for.
  Outputs forward(const at::Tensor& x, nn::Mode mode, bool wants_gates = false);

  /// λ; undefined where the layer is not lite.
  const at::Tensor& average_gates() const { return average_gates_; }

  struct Plain {
    at::Tensor weight, bias;
  };
  /// The plain convolution with these gates (E): Σ_e gates_e T_e W_e.
  Plain folded(const at::Tensor& gates) const;

 private:
  /// What evaluation keeps, and the state of the parameters that it was made from.
  struct Kept {
    at::Tensor kernels, bias;
    std::array<std::pair<const void*, int64_t>, 4> made_from;
  };
  const Kept& kept();
  std::array<std::pair<const void*, int64_t>, 4> state() const;

  ZooConvOptions options_;
  at::Tensor weight_, align_, bias_, gate_in_, gate_out_, gate_bias_, average_gates_;
  Kept kept_;
};

}  // namespace tessera::zoo_tuning
