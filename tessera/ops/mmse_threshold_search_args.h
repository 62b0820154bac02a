#pragma once

#include "tessera/ops/mmse_threshold_search.h"

// Between the files of the operator `mmse_threshold_search`; not for callers.

namespace tessera::ops {

/// Σ (q − a)² of every candidate in double, [95, C]: a is dense (N, C, S) with positive maxima;
/// candidates is [95, C].
at::Tensor threshold_scores_cpu(const at::Tensor& a, const at::Tensor& candidates, int64_t steps);

/// The CUDA kernel; null in builds without CUDA.
using ThresholdScores = at::Tensor (*)(const at::Tensor& a, const at::Tensor& candidates,
                                       int64_t steps);
ThresholdScores& threshold_scores_cuda();

}  // namespace tessera::ops
