#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>

#include "tessera/core/config.h"
#include "tessera/systems/model.h"
#include "tessera/systems/task.h"

namespace tessera::gfnn {

/// The next pose of a generated walk.
struct GaitConfig final : Config {
  std::string coordinates = "phase_speed";
  int64_t train_size = 20000, valid_size = 1000, test_size = 5000;
  int64_t seed = 0;

  void fields(FieldList& list) override;
};

/// x = [q(φ), σ, τ] (B, 10) of 8 joints q, speed σ and turn τ; target (B, 11) = [q(φ') − q(φ),
/// root(φ')] with φ' = φ + 0.2 (0.3 + σ), standardised by the training set → "y" (B, 11).
/// g by `coordinates`: "phase_speed" (φ, σ); "phase" (φ); "gate" (sin φ, cos φ, σ); "inputs": the
/// last three are appended to x, which has 13 columns. φ in [0, 2π).
/// Metrics: loss (mean squared error), rmse, and rmse_root of the root's three columns: how well
/// the character goes where it is told to.
class GaitTask final : public Task {
 public:
  GaitTask(const GaitConfig& config, const TaskContext& context);

  int64_t size(Split split) const override;
  TensorMap batch(std::span<const int64_t> examples, BatchContext& context) const override;
  at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const override;
  void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const override;
  Metrics metrics(const Tally& tally) const override;

  /// Feeds the model its own poses for `steps` steps, from `walks` test examples, while the
  /// controls stay.   returns the joints' root mean squared error at the end.
  double drift(Model& model, int64_t steps, int64_t walks) const;

 private:
  /// What a model is given. q: (B, 8); phase, speed, turn: (B).
  TensorMap inputs(const at::Tensor& q, const at::Tensor& phase, const at::Tensor& speed,
                   const at::Tensor& turn) const;

  std::string coordinates_;
  at::ScalarType dtype_;
  std::array<at::Tensor, 3> controls_, target_;  ///< (N, 3): φ, σ, τ, in double; (N, 11)
  at::Tensor mean_, deviation_;                  ///< (11) of the training targets
};

TaskFactory gait_task();

}  // namespace tessera::gfnn
