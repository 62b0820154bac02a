#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tessera/core/config.h"

namespace tessera::train {

/// How the learning rate moves: `train.schedule` of a trace case, or the same keys in a recipe.
/// With e the epoch and s the step (both from 0), u = e or s as `unit` says, T the whole
/// length in that unit, W = warmup_steps:
///   constant       lr
///   step           lr · gamma^⌊u / step_size⌋
///   multistep      lr · gamma^(number of milestones ≤ u)
///   exponential    lr · gamma^u
///   linear         lr + (min_lr − lr) · u/T
///   cosine         min_lr + (lr − min_lr) · (1 + cos(π t/T)) / 2, with t = u
///   inverse_sqrt   lr · √(max(W,1) / max(s+1, W, 1))
///   spe_pop_piano  lr in step 0; lr·s/W while s < W; then cosine at s − W over t_max to min_lr
/// scheduler_steps_per_epoch k > 1 is the scheduler advanced before each of k passes of an epoch,
/// of which training is the first: t = k·e + 1, so the cosine reaches min_lr at epoch T/k and rises
/// again (EGNN on QM9: k = 3).
/// With W > 0 every schedule but the last two is multiplied by min(1, (s+1)/W), and units of steps
/// are counted from W on.
struct ScheduleConfig final : Config {
  std::string name = "constant";
  std::string unit = "epoch";
  int64_t warmup_steps = 0;
  double min_lr = 0;
  double gamma = 0.1;
  int64_t step_size = 1;
  std::vector<int64_t> milestones;
  int64_t scheduler_steps_per_epoch = 1;
  std::optional<int64_t> t_max;  ///< T; none: the length of the training

  void fields(FieldList& list) override;
  /// The fields without the name, for a config that has them beside its own.
  void list_settings(FieldList& list);
  static FieldInfo name_info();
  void validate() const override;
};

/// The rate of update `step` (from 0). `total_steps` is the length of the training.
double learning_rate(const ScheduleConfig& schedule, double base_lr, int64_t step,
                     int64_t steps_per_epoch, int64_t total_steps);

/// The same from a case's `train.schedule` object, which may say `steps_per_epoch` itself and names
/// fields as the cases do: `epochs` for t_max, `eta_min` for min_lr.
double learning_rate(const Json& spec, double base_lr, int64_t step, int64_t steps_per_epoch,
                     int64_t total_steps);

}  // namespace tessera::train
