#pragma once

#include <torch/nn/modules/linear.h>

#include <vector>

#include "tessera/ops/unicornn_stack.h"
#include "tessera/systems/model.h"
#include "tessera/systems/unicornn/config.h"

namespace tessera::unicornn {

/// The recurrence of one layer alone (paper, eq. 2): parameters weight_hh and c_.
class Recurrence : public Model {
 public:
  explicit Recurrence(const UnicornnConfig& config);

  /// x, y0, z0 → y, y_n, z_n. x is the drive, (T, B, H) or (B, T, H).
  TensorMap run(const TensorMap& inputs) override;

 private:
  UnicornnConfig config_;
  at::Tensor w_, c_;
};

/// What a network returns.
struct NetworkOutputs {
  at::Tensor logits;    ///< (B, C), of the last step
  at::Tensor y;         ///< (T, B, H), the last layer's output, where it was asked for
  at::Tensor y_n, z_n;  ///< (L, B, H), each layer's state after the last step, without dropout
};

/// Factors that dropout multiplies by; undefined: none.
struct DropoutMasks {
  at::Tensor layers;     ///< (L, B, H), the same at every step
  at::Tensor embedding;  ///< (vocab, 1)
};

/// UnICORNN (paper, eq. 8): an embedding where x holds tokens, layers of an input map and a
/// recurrence, a linear read-out of the last step.
class Unicornn : public Model {
 public:
  explicit Unicornn(const UnicornnConfig& config);

  /// x: (T, B, D), or (T, B) int64 tokens, time-major. start: (L, B, H), or undefined for zero.
  NetworkOutputs forward(const at::Tensor& x, const DropoutMasks& masks = {},
                         const ops::UnicornnState& start = {}) const;
  /// Fresh masks from the default generator, in the authors' order; none where nothing is dropped.
  DropoutMasks draw_masks(int64_t batch) const;
  /// x, y0, z0, noise_dropout, noise_embedding → logits; y, y_n, z_n where the configuration says.
  TensorMap run(const TensorMap& inputs) override;

 private:
  std::vector<ops::UnicornnStackLayer> layers() const;

  UnicornnConfig config_;
  std::vector<double> dt_;
  at::Tensor embedding_;
  std::vector<torch::nn::Linear> inputs_;  ///< V, b of each layer
  std::vector<at::Tensor> w_, c_, residual_;
  torch::nn::Linear classifier_{nullptr};
};

}  // namespace tessera::unicornn
