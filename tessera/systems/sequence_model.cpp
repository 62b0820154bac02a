#include "tessera/systems/sequence_model.h"

namespace tessera {

SequenceBaselineModel::SequenceBaselineModel(const nn::SequenceBaselineOptions& options,
                                             bool batch_first, std::string output)
    : baseline_(register_module("baseline", nn::make_sequence_baseline(options))),
      batch_first_(batch_first),
      output_(std::move(output)) {}

TensorMap SequenceBaselineModel::run(const TensorMap& inputs) {
  const at::Tensor& given = inputs.at("x");
  const at::Tensor x = batch_first_ ? given : given.transpose(0, 1);
  return {{output_, baseline_->forward(x, inputs.get("lengths"))}};
}

}  // namespace tessera
