#pragma once

#include <memory>

#include "tessera/nn/sequence_baseline.h"
#include "tessera/systems/model.h"

namespace tessera {

/// A baseline as a model: x, and lengths where they are given → logits.
class SequenceBaselineModel : public Model {
 public:
  /// batch_first: x is (B, T, …), not (T, B, …).
  explicit SequenceBaselineModel(const nn::SequenceBaselineOptions& options,
                                 bool batch_first = true);
  TensorMap run(const TensorMap& inputs) override;

 private:
  std::shared_ptr<nn::SequenceBaseline> baseline_;
  bool batch_first_;
};

}  // namespace tessera
