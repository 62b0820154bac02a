#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tessera/nn/convnet/mergeable.h"
#include "tessera/systems/model.h"
#include "tessera/systems/zoo_tuning/config.h"
#include "tessera/systems/zoo_tuning/zoo_net.h"

namespace tessera::zoo_tuning {

/// A model that starts from files. They are read when it is made; where one is absent then, the
/// model must be given weights (of a run, say) before it trains.
class SourcedModel : public Model {
 public:
  /// Refuses to train until the weights have been replaced; `path` is what was not found.
  void start_without(const std::string& path);

 protected:
  /// Throws Io in training where the model has neither its sources nor other weights.
  void check_start() const;

 private:
  std::string missing_;
  int64_t version_ = 0;  ///< of the first parameter when the model was made
};

/// A linear classifier, drawn as the authors draw it: normal(0, 0.01), bias 0.
class Head {
 public:
  Head(int64_t features, int64_t classes, torch::nn::Module& owner);
  at::Tensor forward(const at::Tensor& features) const;
  const at::Tensor& weight() const { return weight_; }
  const at::Tensor& bias() const { return bias_; }

 private:
  at::Tensor weight_, bias_;
};

/// One aggregated layer. x: (B, I, H, W), or (B, I) of zoo_linear → y, gates (B, E): what each
/// sample asks for, also where the lite form then takes their mean.
class ZooLayer final : public Model {
 public:
  explicit ZooLayer(const ZooConfig& config);
  TensorMap run(const TensorMap& inputs) override;

 private:
  ZooConfig config_;
  ZooConv conv_;
};

/// A Zoo-Tuned network, or a block of one. x → features (B, F), and logits (B, C) where there are
/// classes; of a block y. In training also buffer/<name>_after: statistics, averages of
/// gates and counters of batches after the forward.
/// Names are the authors': f_net.* and c_net.* with classes, else the features' own.
class ZooModel final : public SourcedModel, public nn::Mergeable {
 public:
  explicit ZooModel(const ZooConfig& config);

  const ZooConfig& config() const { return config_; }
  ZooNet& net() { return *net_; }

  TensorMap run(const TensorMap& inputs) override;
  /// Throws InvalidArgument where a lite layer never trained: its output would be 0.
  TensorMap predict(const TensorMap& inputs) override;

  /// The plain network with a classifier that a lite model is, under the names of its sources.
  /// Throws InvalidArgument as ZooNet::folded.
  nn::WeightedNetwork merged() const override;

 private:
  ZooConfig config_;
  std::optional<ZooNet> net_;
  std::optional<Head> head_;
};

/// The model of a configuration, from its sources where it names them.
/// Throws InvalidArgument as weights_from_zoo, BadFile.
std::shared_ptr<Model> make_model(const ZooConfig& config);

/// The authors' state dict: counters of batches and a wrapper's prefix are taken off.
TensorMap from_authors(const TensorMap& theirs);

}  // namespace tessera::zoo_tuning
