#pragma once

#include <cstdint>

namespace tessera::lmu {

/// One memory whose N states at every step are read by a linear map to H outputs.
struct MemoryShape {
  int64_t batch;    ///< signals R
  int64_t length;   ///< steps T
  int64_t order;    ///< coefficients N
  int64_t outputs;  ///< width H
};

/// Whether W_m g, an H-channel kernel, is predicted to be faster than the N states and W_m after
/// them: what modes `auto` and `fft` do for outputs at every step. The prediction is a sum of
/// counts of work times constants measured on a CPU (dev/lmu holds the measurements, the fit, and
/// what the choice costs beside the best of all modes). Nothing is timed when a model runs: the
/// choice is a function of the shape alone, not of threads, gradients or load, so that equal runs
/// round equally.
bool folding_is_faster(const MemoryShape& shape);

}  // namespace tessera::lmu
