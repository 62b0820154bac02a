#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tessera/core/rng.h"
#include "tessera/systems/claim.h"
#include "tessera/train/ema.h"
#include "tessera/train/loader.h"
#include "tessera/train/optimizer.h"

namespace tessera::train {

/// The best evaluation so far, with the weights that it evaluated.
struct Best {
  double value = 0;
  int64_t step = 0;
  Metrics valid, test;
  TensorMap weights;
};

/// Mean of the losses since a moment, as the sums that continue exactly.
struct LossMean {
  double sum = 0;
  int64_t count = 0;

  void add(double loss) { sum += loss, ++count; }
  double value() const;  ///< NaN where nothing was added
};

/// The numbers of a training between two updates.
struct Counters {
  int64_t step = 0;
  bool is_finished = false;
  int64_t evaluations_without_gain = 0;
  LossMean since_evaluation, since_log;
  double seconds = 0;  ///< of all sessions
  int threads = 0;
};

/// Everything that a training must find again to go on as if it had not stopped.
struct TrainState {
  Counters counters;
  std::optional<Best> best;
};

/// The parts with states of their own; `ema` may be nullptr.
struct TrainParts {
  Model& model;
  Optimizer& optimizer;
  Loader& loader;
  Rng& rng;
  Ema* ema;
};

/// Writes model.safetensors, state.safetensors and state.json into `folder`.
void save_state(const TrainState& state, const TrainParts& parts, const std::string& folder);

/// Reads them back into the parts. Throws BadFile on a state that is not whole, and what the parts
/// throw where it is not theirs.
TrainState load_state(const TrainParts& parts, const std::string& folder);

/// The weights of a checkpoint that scored best; without an evaluation the moving average, else the
/// weights as trained.
TensorMap best_weights(const std::string& folder);

}  // namespace tessera::train
