#pragma once

#include <ATen/core/Tensor.h>

#include "tessera/systems/task.h"

namespace tessera::zoo_tuning {

/// Outputs (…, B·V, C) of V views of each of B examples, the views of one after each other, summed
/// over the views: (…, B, C).
at::Tensor summed_views(const at::Tensor& logits, int64_t examples);

/// What the tasks share: loss and metrics of a batch of x and labels (B) int64. x may hold several
/// views of each example outside of training: their logits are summed.
class Classification : public Task {
 public:
  /// Cross-entropy. Every member of an ensemble learns by its own loss: their sum. A student's loss
  /// towards its teacher is added. Throws InvalidArgument on other classes than the data's.
  at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const override;
  /// loss (of the views' mean: a sum would be too sure), top1, and top1_member0, … of an ensemble.
  void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const override;

  std::string selection_metric() const override { return "top1"; }
  bool larger_is_better() const override { return true; }

 protected:
  virtual int64_t num_classes() const = 0;

 private:
  const at::Tensor& logits_of(const TensorMap& outputs) const;
};

}  // namespace tessera::zoo_tuning
