#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "tessera/core/config.h"
#include "tessera/systems/task.h"

namespace tessera::lmu {

/// The experiment on memory of the LMU's paper of 2019, section 3.1: a band-limited noise, and as
/// outputs the same noise `outputs` times, delayed by 0, …, window steps in equal parts.
struct CapacityConfig final : Config {
  int64_t window = 1000;
  int64_t outputs = 5;
  double frequency = 10;
  double length_factor = 2.5;
  int64_t num_samples = 200;
  int64_t decoder_order = 0;
  int64_t seed = 0;

  void fields(FieldList& list) override;

  int64_t length() const;
  /// In steps, from 0 to window.
  std::vector<int64_t> delays() const;
};

struct Capacity {
  at::Tensor x;  ///< (samples, T, 1), largest value 1
  at::Tensor y;  ///< (samples, T, outputs); 0 before the delay has passed
};
/// double; the numbers come from NumPy's stream of config.seed.
Capacity capacity(const CapacityConfig& config);

/// x (B, T, 1), target (B, T, outputs) → "prediction" (B, T, outputs). The first half of the
/// samples trains, its last fifth validates, the second half tests. Metrics: loss (mean squared
/// error), and mse, of which the first `window` steps are left out, with mse_<delay> of each
/// output, the delay in percent of the window. With decoder_order a model of that order begins
/// with the decoder of Legendre polynomials as its read-out (classifier): it needs no training.
TaskFactory capacity_task();

}  // namespace tessera::lmu
