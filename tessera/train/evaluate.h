#pragma once

#include "tessera/train/trainer.h"

namespace tessera::train {

struct EvaluateOptions {
  int64_t batch_size = 1;
  uint64_t seed = 0;
  RunConfig run = {};  ///< its dtype is the precision of the forward pass (precision.h)
  Observer* observer = nullptr;
};
/// As the recipe's [train] and [run] say.
EvaluateOptions evaluate_options(const Recipe& recipe);

/// The metrics of a whole split: evaluation mode, no gradients, noise from a generator seeded by
/// (seed, split), so that equal calls give equal numbers. Leaves the model's mode and the default
/// generators as they were. Metrics are computed in float32 or double whatever the precision of the
/// forward pass.
Metrics evaluate(Model& model, const Task& task, Split split, const EvaluateOptions& options);

}  // namespace tessera::train
