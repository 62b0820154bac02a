#pragma once

#include <ATen/core/Tensor.h>

namespace tessera::ops {

/// Candidates 1, 0.99, …, 0.06 of the maximum.
inline constexpr int64_t kThresholdCandidates = 95;

struct ThresholdSearch {
  at::Tensor threshold;   ///< [], or [1, C, 1, 1] by channel
  at::Tensor candidates;  ///< [95], or [95, C]
  at::Tensor scores;      ///< as candidates: mean squared error, or its sum by channel
};

/// The clip c of a uniform quantiser with T steps that has the least squared error on a (the MMSE
/// threshold of SNN calibration, section 3.2; any post-training quantisation of activations):
///   M = max a;   c_i = M·(1 − 0.01 i);   q = ⌊min(max(a / c_i · T, 0), T)⌋ · c_i / T
/// and the first strictly smallest score Σ (q − a)² wins. channel_wise: each channel of (N, C, H,
/// W) by itself; other shapes are searched as a whole. Where M is 0 the scores are NaN and the
/// threshold 0. Float and double on the CPU and CUDA are fused: one pass for all candidates; zeros
/// cost nothing. Not differentiable. Throws InvalidArgument where a is empty or not floating.
ThresholdSearch mmse_threshold_search(const at::Tensor& a, int64_t steps, bool channel_wise);

/// The same composed of ATen operators: fallback, truth and shape rule.
ThresholdSearch mmse_threshold_search_plain(const at::Tensor& a, int64_t steps, bool channel_wise);

}  // namespace tessera::ops
