#pragma once

#include "tessera/train/trainer.h"

namespace tessera::train {

struct EvaluateOptions {
  int64_t batch_size = 1;
  uint64_t seed = 0;
  RunConfig run;  ///< its dtype is the precision of the forward pass (precision.h)
  Observer* observer = nullptr;
};
/// As the recipe's [train] and [run] say.
EvaluateOptions evaluate_options(const Recipe& recipe);

/// evaluate() of trainer.h in the precision that the options say: metrics are computed in float32
/// or double whatever that is.
Metrics evaluate(Model& model, const Task& task, Split split, const EvaluateOptions& options);

}  // namespace tessera::train
