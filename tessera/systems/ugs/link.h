#pragma once

#include <ATen/core/Tensor.h>

#include "tessera/systems/ugs/config.h"

namespace tessera::ugs {

/// Soft k-means of the cluster readout: centres (K, d) and responsibilities (N, K).
struct Clusters {
  at::Tensor centres, shares;
};

/// cluster_iters steps without a gradient from `init` (K, d), then one that is differentiated in h.
/// The responsibilities are those of the centres before the last step.
Clusters cluster(const at::Tensor& h, const at::Tensor& init, const UgsConfig& config);

/// What the encoder is trained by: real nodes against nodes with permuted features.
struct Contrast {
  Clusters clusters;
  at::Tensor readout;  ///< shares · centres, (N, d); its sigmoid meets the nodes
  at::Tensor logits_global, logits_cluster;  ///< (1, 2N): real nodes first
  at::Tensor loss;
};
/// weight (1, d, d) and bias (1) are the bilinear discriminator's.
Contrast contrast(const at::Tensor& real, const at::Tensor& permuted, const at::Tensor& init,
                  const at::Tensor& weight, const at::Tensor& bias, const UgsConfig& config);

/// sigmoid(ẑ_i · ẑ_j) of pairs (n, 2); ẑ are rows of h over their length + 1e-4.
at::Tensor pair_scores(const at::Tensor& h, const at::Tensor& pairs);

/// Area under the ROC curve, ties count ½.
double roc_auc(const at::Tensor& positive, const at::Tensor& negative);
/// Σ (recall_i − recall_{i−1}) · precision_i over the distinct thresholds.
double average_precision(const at::Tensor& positive, const at::Tensor& negative);

}  // namespace tessera::ugs
