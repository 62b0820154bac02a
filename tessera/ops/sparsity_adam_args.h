#pragma once

#include "tessera/ops/sparsity_adam.h"

// Between the files of the operator `sparsity_adam_`; not for callers.

namespace tessera::ops {

/// One entry of the lists.
struct SparsityAdamEntry {
  at::Tensor weight, mask, fixed, d_effective;
  at::Tensor weight_avg, weight_square, mask_avg, mask_square, effective;
  double l1 = 0;

  bool has_weight() const { return weight.numel() > 0; }
  bool has_fixed() const { return fixed.numel() > 0; }
  bool has_effective() const { return effective.numel() > 0; }
};

/// Factors of an update that do not depend on the entry.
struct SparsityAdamFactors {
  double beta1, beta2;
  double step;             ///< lr / (1 − β1^updates)
  double root_correction;  ///< √(1 − β2^updates)
  double eps, weight_decay;
};

void sparsity_adam_cpu(const SparsityAdamEntry& entry, const SparsityAdamFactors& factors);
using SparsityAdamDevice = void (*)(const SparsityAdamEntry&, const SparsityAdamFactors&);
/// Null where the build has no CUDA kernels; cuda/graph_glue.cpp sets it.
SparsityAdamDevice& sparsity_adam_cuda();

}  // namespace tessera::ops
