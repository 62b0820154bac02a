#include "tessera/ops/mmse_threshold_search.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include <tuple>

#include "tessera/core/error.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/dispatch.h"
#include "tessera/ops/mmse_threshold_search_args.h"

namespace tessera::ops {

ThresholdScores& threshold_scores_cuda() {
  static ThresholdScores kernel = nullptr;
  return kernel;
}

namespace {

using Triple = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

void check(const at::Tensor& a, int64_t steps) {
  const auto refuse = [](const std::string& rule, const std::string& got) {
    fail<InvalidArgument>(
        {.where = "mmse_threshold_search", .rule = rule, .got = got, .id = "T-MMSE-01"});
  };
  if (steps < 1) refuse("steps is at least 1", std::to_string(steps));
  if (!a.is_floating_point()) refuse("a is floating", describe(a));
  if (a.sym_numel() == 0) refuse("a has at least one element", describe(a));
}

Triple as_tuple(const ThresholdSearch& it) { return {it.threshold, it.candidates, it.scores}; }

/// The factors of the maximum, evaluated as the authors' loop does.
at::Tensor factors(const at::Tensor& like) {
  std::vector<double> values;
  for (int64_t i = 0; i < kThresholdCandidates; ++i) {
    values.push_back(1.0 - static_cast<double>(i) * 0.01);
  }
  return at::tensor(values, at::kDouble).to(like.options()).unsqueeze(1);
}

Triple run(const at::Tensor& a, int64_t steps, bool channel_wise) {
  check(a, steps);
  const bool is_fused =
      has_fused_dtype(a) && (a.is_cpu() || (a.is_cuda() && threshold_scores_cuda() != nullptr));
  if (!is_fused) return as_tuple(mmse_threshold_search_plain(a, steps, channel_wise));
  const bool by_channel = channel_wise && a.dim() == 4;
  // As a whole the order of elements does not matter: any dense layout is one row.
  const at::Tensor row = a.is_non_overlapping_and_dense() ? a.as_strided({a.numel()}, {1}) : a;
  const at::Tensor all = by_channel ? a.contiguous().flatten(2) : row.reshape({1, 1, -1});
  const at::Tensor M = all.amax({0, 2});
  const at::Tensor candidates = factors(M) * M;
  const auto kernel = a.is_cpu() ? threshold_scores_cpu : threshold_scores_cuda();
  at::Tensor sums = kernel(all, candidates, steps);
  if (!by_channel) sums = sums / static_cast<double>(a.numel());
  // Where there is no positive maximum nothing can be divided by it. NaN compares as not positive.
  sums = at::where(M.gt(0), sums, std::numeric_limits<double>::quiet_NaN());

  const at::Tensor ranked = at::where(sums.isnan(), std::numeric_limits<double>::infinity(), sums);
  const at::Tensor best = ranked.argmin(0, /*keepdim=*/true);  // the first of equal ones
  const at::Tensor least = ranked.gather(0, best).squeeze(0);
  const at::Tensor chosen = candidates.gather(0, best).squeeze(0);
  constexpr double kWorstChannelScore = 1e10;
  const at::Tensor otherwise = by_channel ? M : at::zeros_like(M);
  const at::Tensor threshold =
      at::where(least.lt(by_channel ? kWorstChannelScore : std::numeric_limits<double>::infinity()),
                chosen, otherwise);
  const at::Tensor scores = sums.to(a.scalar_type());
  if (by_channel) return {threshold.view({1, -1, 1, 1}), candidates, scores};
  return {threshold.squeeze(0), candidates.squeeze(1), scores.squeeze(1)};
}

Triple run_meta(const at::Tensor& a, int64_t steps, bool channel_wise) {
  check(a, steps);
  if (channel_wise && a.dim() == 4) {
    const c10::SymInt channels = a.sym_size(1);
    const auto rows = [&] { return a.new_empty_symint({kThresholdCandidates, channels}); };
    return {a.new_empty_symint({1, channels, 1, 1}), rows(), rows()};
  }
  return {a.new_empty({}), a.new_empty({kThresholdCandidates}),
          a.new_empty({kThresholdCandidates})};
}

Triple call(const at::Tensor& a, int64_t steps, bool channel_wise) {
  // A search has no gradient: results are constants of autograd.
  at::AutoDispatchBelowADInplaceOrView below;
  static const auto op = operator_handle<decltype(run)>("tessera::mmse_threshold_search");
  return op.call(a, steps, channel_wise);
}

}  // namespace

ThresholdSearch mmse_threshold_search(const at::Tensor& a, int64_t steps, bool channel_wise) {
  const auto [threshold, candidates, scores] = call(a, steps, channel_wise);
  return {threshold, candidates, scores};
}

TORCH_LIBRARY_IMPL(tessera, CPU, m) { m.impl("mmse_threshold_search", TORCH_FN(run)); }
TORCH_LIBRARY_IMPL(tessera, CUDA, m) { m.impl("mmse_threshold_search", TORCH_FN(run)); }
TORCH_LIBRARY_IMPL(tessera, Meta, m) { m.impl("mmse_threshold_search", TORCH_FN(run_meta)); }
TORCH_LIBRARY_IMPL(tessera, Autograd, m) { m.impl("mmse_threshold_search", TORCH_FN(call)); }

}  // namespace tessera::ops
