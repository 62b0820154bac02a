#include "tessera/systems/ugs/link.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

namespace tessera::ugs {
namespace {

constexpr double kLengthEps = 1e-4;

at::Tensor unit_rows(const at::Tensor& x) {
  return x / (x.norm(2, {1}, /*keepdim=*/true) + kLengthEps);
}

/// One step: (centres, shares) from unit data and the centres before.
Clusters step(const at::Tensor& data, const at::Tensor& centres, double temperature) {
  const at::Tensor shares = (temperature * data.mm(unit_rows(centres).t())).softmax(1);
  const at::Tensor weight = 1 / (shares.sum(0) + kLengthEps);
  return {.centres = weight.unsqueeze(-1) * shares.t().mm(data), .shares = shares};
}

at::Tensor ones_then_zeros(const at::Tensor& logits) {
  const at::Tensor target = at::zeros_like(logits);
  target.narrow(1, 0, logits.size(1) / 2).fill_(1);
  return target;
}

/// (score, is positive), the largest first.
std::vector<std::pair<double, bool>> ranked(const at::Tensor& positive,
                                            const at::Tensor& negative) {
  std::vector<std::pair<double, bool>> list;
  for (const auto& [scores, is_positive] : {std::pair(positive, true), {negative, false}}) {
    const at::Tensor flat = scores.detach().to(at::kCPU, at::kDouble).contiguous();
    for (int64_t i = 0; i < flat.numel(); ++i) {
      list.emplace_back(flat.const_data_ptr<double>()[i], is_positive);
    }
  }
  std::ranges::sort(list, [](const auto& a, const auto& b) { return a.first > b.first; });
  return list;
}

/// Calls `visit(true positives, false positives)` after each group of equal scores.
template <class Visit>
void walk(const std::vector<std::pair<double, bool>>& list, Visit visit) {
  double hits = 0, misses = 0;
  for (size_t i = 0; i < list.size(); ++i) {
    (list[i].second ? hits : misses) += 1;
    if (i + 1 == list.size() || list[i + 1].first != list[i].first) visit(hits, misses);
  }
}

}  // namespace

Clusters cluster(const at::Tensor& h, const at::Tensor& init, const UgsConfig& config) {
  const at::Tensor data = unit_rows(h);
  at::Tensor centres = init;
  {
    const at::NoGradGuard no_grad;
    for (int64_t i = 0; i < config.cluster_iters; ++i) {
      centres = step(data, centres, config.cluster_temperature).centres;
    }
  }
  return step(data, centres.detach(), config.cluster_temperature);
}

Contrast contrast(const at::Tensor& real, const at::Tensor& permuted, const at::Tensor& init,
                  const at::Tensor& weight, const at::Tensor& bias, const UgsConfig& config) {
  Contrast result{.clusters = cluster(real, init, config)};
  result.readout = result.clusters.shares.mm(result.clusters.centres);
  const at::Tensor context = result.readout.sigmoid();
  const at::Tensor summary = real.mean(0).sigmoid();
  const at::Tensor direction = weight[0].mv(summary);
  result.logits_global = at::cat({real.mv(direction), permuted.mv(direction)}).unsqueeze(0) + bias;
  result.logits_cluster =
      at::cat({(real * context).sum(1), (permuted * context).sum(1)}).unsqueeze(0);
  const auto loss = [](const at::Tensor& logits) {
    return at::binary_cross_entropy_with_logits(logits, ones_then_zeros(logits));
  };
  result.loss =
      config.alpha * loss(result.logits_global) + (1 - config.alpha) * loss(result.logits_cluster);
  return result;
}

at::Tensor pair_scores(const at::Tensor& h, const at::Tensor& pairs) {
  const at::Tensor z = unit_rows(h);
  return (z.index_select(0, pairs.select(1, 0)) * z.index_select(0, pairs.select(1, 1)))
      .sum(1)
      .sigmoid();
}

double roc_auc(const at::Tensor& positive, const at::Tensor& negative) {
  double area = 0, last_hits = 0, last_misses = 0;
  walk(ranked(positive, negative), [&](double hits, double misses) {
    area += (misses - last_misses) * (hits + last_hits) / 2;
    last_hits = hits, last_misses = misses;
  });
  return area / (static_cast<double>(positive.numel()) * static_cast<double>(negative.numel()));
}

double average_precision(const at::Tensor& positive, const at::Tensor& negative) {
  double sum = 0, last_hits = 0;
  walk(ranked(positive, negative), [&](double hits, double misses) {
    sum += (hits - last_hits) * hits / (hits + misses);
    last_hits = hits;
  });
  return sum / static_cast<double>(positive.numel());
}

}  // namespace tessera::ugs
