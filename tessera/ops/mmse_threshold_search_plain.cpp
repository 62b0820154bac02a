#include <ATen/ATen.h>

#include "tessera/ops/mmse_threshold_search.h"

namespace tessera::ops {

ThresholdSearch mmse_threshold_search_plain(const at::Tensor& a, int64_t steps, bool channel_wise) {
  // As the authors: channels that no candidate brings below this keep their maximum.
  constexpr double kWorstChannelScore = 1e10;
  const bool by_channel = channel_wise && a.dim() == 4;
  const at::Tensor M = by_channel ? a.amax({0, 2, 3}, /*keepdim=*/true) : a.max();
  const auto T = static_cast<double>(steps);
  at::Tensor best = by_channel ? at::full_like(M, kWorstChannelScore)
                               : at::full_like(M, std::numeric_limits<double>::infinity());
  at::Tensor threshold = by_channel ? M.clone() : at::zeros_like(M);
  std::vector<at::Tensor> candidates, scores;
  for (int64_t i = 0; i < kThresholdCandidates; ++i) {
    const at::Tensor c = M * (1.0 - static_cast<double>(i) * 0.01);
    const at::Tensor q = (a / c * T).clamp(0, T).floor() * c / T;
    const at::Tensor squared = (q - a).square();
    const at::Tensor score = by_channel ? squared.sum({0, 2, 3}, /*keepdim=*/true) : squared.mean();
    const at::Tensor is_better = score.lt(best);
    threshold = at::where(is_better, c, threshold);
    best = at::where(is_better, score, best);
    candidates.push_back(by_channel ? c.flatten() : c);
    scores.push_back(by_channel ? score.flatten() : score);
  }
  return {.threshold = threshold, .candidates = at::stack(candidates), .scores = at::stack(scores)};
}

}  // namespace tessera::ops
