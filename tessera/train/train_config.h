#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tessera/core/config.h"
#include "tessera/train/optimizer.h"
#include "tessera/train/schedule.h"

namespace tessera::train {

/// `[train]` of a recipe. An update is one change of the parameters; everything that is counted in
/// steps counts updates. The fields of the optimizer and of the schedule stand beside the others
/// (`train.lr`, `train.warmup_steps`); their names are `train.optimizer` and `train.schedule`.
struct TrainConfig final : Config {
  std::optional<int64_t> steps, epochs;  ///< exactly one of them
  int64_t batch_size = 32;
  int64_t eval_batch_size = 0;
  int64_t accumulate = 1;
  bool shuffle = true;
  bool drop_last = false;
  int64_t seed = 0;

  OptimizerConfig optimizer;
  double grad_clip_norm = 0;
  double ema_decay = 0;
  ScheduleConfig schedule;

  int64_t evaluate_every = 1;
  int64_t evaluate_every_steps = 0;
  int64_t early_stop_patience = 0;
  int64_t log_every = 0;
  int64_t checkpoint_every = 0;
  int64_t keep_checkpoints = 0;

  void fields(FieldList& list) override;
  void validate() const override;
};

/// `[run]` of a recipe: where and how it is computed. Changes speed and rounding, not the meaning.
struct RunConfig final : Config {
  std::string device = "cpu";
  std::string dtype = "float32";
  int64_t threads = 0;
  int64_t prefetch = 1;
  bool deterministic = true;

  void fields(FieldList& list) override;
};

/// `[expect]` of a recipe: the number it should reach, and who says so.
struct ExpectConfig final : Config {
  std::string metric;
  std::optional<double> value, tolerance;
  std::string source;

  void fields(FieldList& list) override;
  void validate() const override;
};

}  // namespace tessera::train
