#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace tessera::ops {

/// Weights under trained and fixed masks, w ⊙ m ⊙ f, with Adam's averages of both: lists of as many
/// tensors, each of one shape, dtype and dense layout. An entry may have no weight (a mask of
/// edges: the weight is one) and no fixed mask (one): empty tensors stand for them and their
/// averages.
struct MaskedWeights {
  std::vector<at::Tensor> weight, mask, fixed;
  std::vector<at::Tensor> weight_avg, weight_square, mask_avg, mask_square;
  std::vector<at::Tensor> effective;  ///< gets w ⊙ m ⊙ f after the update; or empty
};

struct SparsityAdamOptions {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0;  ///< L2, of weights and masks alike
  std::vector<double> l1;   ///< of each mask: l1·sign(m) is added to its gradient
};

/// One step of Adam (torch's rule) on weights and masks together, from the gradient d by w ⊙ m ⊙ f:
///   ∂w = d ⊙ m ⊙ f + λw        ∂m = d ⊙ f ⊙ w + l1·sign(m) + λm
/// One pass reads and writes every state once and leaves the next forward's weights. A mask that is
/// 0 where its fixed mask is 0 stays exactly 0. updates: steps taken, this one included.
/// In place; not differentiable. Throws InvalidArgument on lists, shapes, layouts, dtypes or values
/// that do not fit. d_effective is copied where its layout is another.
void sparsity_adam_(const MaskedWeights& w, const std::vector<at::Tensor>& d_effective,
                    int64_t updates, const SparsityAdamOptions& options);

/// The same composed of ATen operators.
void sparsity_adam_plain_(const MaskedWeights& w, const std::vector<at::Tensor>& d_effective,
                          int64_t updates, const SparsityAdamOptions& options);

}  // namespace tessera::ops
