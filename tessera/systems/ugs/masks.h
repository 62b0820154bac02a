#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tessera/systems/masked_product.h"

namespace tessera::ugs {

/// One weight matrix with the soft (M1) and the hard (M2) mask of each entry, under the authors'
/// names: weight_orig_weight, weight_mask_train, weight_mask_fixed; unmasked, it is `weight`.
/// Stored as (in, out) in memory. A handle: copies share the module's tensors.
class MaskedWeight {
 public:
  MaskedWeight() = default;
  /// Registers it in `owner`, drawn from U(±1/√in).
  MaskedWeight(torch::nn::Module& owner, int64_t out, int64_t in, bool is_masked);

  /// M1 ⊙ M2 ⊙ W
  at::Tensor effective() const { return is_masked() ? product->read() : weight; }
  bool is_masked() const { return soft.defined(); }

  at::Tensor weight, soft, hard;
  std::shared_ptr<MaskedProduct> product;  ///< of the three; null where it is unmasked
};

/// The module at a dotted path below `root` ("ginlayers.0.apply_func.mlp"), made where it lacks.
torch::nn::Module& module_at(torch::nn::Module& root, const std::string& path);

/// What a search prunes: every masked matrix in module order, and the edges.
struct Masks {
  std::vector<MaskedWeight> weights;
  at::Tensor edge_soft, edge_hard;  ///< (E); undefined where the edges have none
};

/// Keeps the entries above the threshold: v = |soft| ≠ 0 of all tensors, sorted; θ = v[⌊n·rate⌋];
/// kept iff |soft| > θ, so that one more than ⌊n·rate⌋ go (more with ties).
struct Pruning {
  std::vector<at::Tensor> keep;  ///< in the dtype of the soft masks
  at::Tensor threshold;          ///< 0-d
  int64_t before = 0, after = 0;
};
/// Throws InvalidArgument where nothing is left to prune.
Pruning prune(const std::vector<at::Tensor>& soft, double rate);

/// rate · sign(m): what L1 adds to the gradient before Adam.
at::Tensor l1_subgradient(const at::Tensor& soft, double rate);

/// Hard masks that remove ⌊n·(1 − (1−rate)^(round+1))⌋ entries of each tensor, drawn from the full
/// set.
at::Tensor random_mask(const at::Tensor& like, double rate, int64_t round, at::Generator generator);

}  // namespace tessera::ugs
