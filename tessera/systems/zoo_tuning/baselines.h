#pragma once

#include <memory>
#include <optional>

#include "tessera/nn/convnet/convnet.h"
#include "tessera/systems/zoo_tuning/config.h"
#include "tessera/systems/zoo_tuning/model.h"

// What Zoo-Tuning is compared with: networks without gates.

namespace tessera::zoo_tuning {

/// One plain network: freshly drawn, from one source (fine-tuning), or from the mean of all
/// (method average). Its weights carry the sources' own names, so that a trained one is a source.
/// x → logits, or features without classes; under a teacher and in training also distillation, the
/// loss τ²·KL(teacher ‖ student) of both outputs at temperature τ, a mean over the batch.
class PlainModel final : public SourcedModel {
 public:
  explicit PlainModel(const ZooConfig& config);
  TensorMap run(const TensorMap& inputs) override;

  const nn::Network& network() const { return net_.network(); }
  /// Gives the model a teacher, which stays as it is.
  void set_teacher(std::shared_ptr<Model> teacher);

 private:
  ZooConfig config_;
  nn::ConvNet net_;
  std::shared_ptr<Model> teacher_;  ///< not a part of this model's weights
};

/// Every source fine-tuned on the same batches, each by its own loss.
/// x → logits (B, C), the mean of all; logits_each (E, B, C). Names: member0.*, member1.*, …
class Ensemble final : public SourcedModel {
 public:
  explicit Ensemble(const ZooConfig& config);
  TensorMap run(const TensorMap& inputs) override;

 private:
  std::vector<std::shared_ptr<nn::ConvNetModule>> members_;
};

/// The model of config.method: plain, average, ensemble or distillation.
std::shared_ptr<Model> make_baseline(const ZooConfig& config);

}  // namespace tessera::zoo_tuning
