#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tessera/core/config.h"
#include "tessera/systems/model.h"
#include "tessera/systems/task.h"

namespace tessera::gfnn {

/// The next pose of a walk: a generated one, or those of motion files.
struct GaitConfig final : Config {
  std::string source = "generated";
  std::string coordinates = "phase_speed";
  int64_t train_size = 20000, valid_size = 1000, test_size = 5000;
  int64_t seed = 0;
  std::string up = "y";
  double step = 1.0 / 30;
  std::vector<std::string> feet;
  double valid_share = 0.1, test_share = 0.1;

  void fields(FieldList& list) override;
  void validate() const override;
};

/// x = [q(φ), σ, τ] (B, S + 2) of S joint angles q, speed σ and turn τ; target (B, S + 3) =
/// [q' − q, root'] a step later, standardised by the training set → "y" (B, S + 3).
/// g by `coordinates`: "phase_speed" (φ, σ); "phase" (φ); "gate" (sin φ, cos φ, σ); "inputs": the
/// last three are appended to x, which has S + 5 columns. φ in [0, 2π), σ in [0, 1].
///   generated: S = 8; φ' = φ + 0.2 (0.3 + σ)
///   bvh: S rotation vectors' numbers (data/motion.h), of the data root: a .bvh file or a folder
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

  /// Columns of x and of y: what a model needs as in_dim and out_dim.
  int64_t in_dim() const;
  int64_t out_dim() const { return mean_.size(0); }
  /// Of the training steps, (S + 3), in double: a step is y · deviation + mean.
  const at::Tensor& mean() const { return mean_; }
  const at::Tensor& deviation() const { return deviation_; }

  /// Feeds the model its own poses for `steps` steps of the generated walk, from `walks` test
  /// examples, while the controls stay.   returns the joints' root mean squared error at the end.
  double drift(Model& model, int64_t steps, int64_t walks) const;

 private:
  /// N steps, in double.
  struct Examples {
    at::Tensor pose, phase, speed, turn;  ///< (N, S), (N), (N), (N)
    at::Tensor step;                      ///< (N, S + 3), not standardised
  };
  static std::array<Examples, 3> generate(const GaitConfig& config);
  static std::array<Examples, 3> record(const GaitConfig& config, const std::string& path);

  /// What a model is given. q: (B, S); phase, speed, turn: (B).
  TensorMap inputs(const at::Tensor& q, const at::Tensor& phase, const at::Tensor& speed,
                   const at::Tensor& turn) const;
  void expect_width(const at::Tensor& y) const;

  std::string source_, coordinates_;
  at::ScalarType dtype_;
  std::array<Examples, 3> splits_;
  std::array<at::Tensor, 3> target_;  ///< (N, S + 3), standardised
  at::Tensor mean_, deviation_;       ///< (S + 3) of the training steps
};

TaskFactory gait_task();

}  // namespace tessera::gfnn
