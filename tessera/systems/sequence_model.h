#pragma once

#include <memory>
#include <string>

#include "tessera/nn/sequence_baseline.h"
#include "tessera/systems/model.h"

namespace tessera {

/// A baseline as a model: x, and lengths where they are given → what `output` names.
class SequenceBaselineModel : public Model {
 public:
  /// batch_first: x is (B, T, …), not (T, B, …).
  explicit SequenceBaselineModel(const nn::SequenceBaselineOptions& options,
                                 bool batch_first = true, std::string output = "logits");
  TensorMap run(const TensorMap& inputs) override;

 private:
  std::shared_ptr<nn::SequenceBaseline> baseline_;
  bool batch_first_;
  std::string output_;
};

}  // namespace tessera
