#include "tessera/train/sparsify.h"

#include <ATen/ATen.h>

#include <cmath>

#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera::train {
namespace {

bool is_matrix(const at::Tensor& weight) { return weight.dim() >= 2 && weight.is_floating_point(); }

/// A model whose weights keep to masks. Its parameters and buffers have the names of the model's
/// own, so that its checkpoints are the model's.
class PrunedModel final : public Model {
 public:
  PrunedModel(std::shared_ptr<Model> model, TensorMap masks)
      : model_(std::move(model)), masks_(std::move(masks)) {
    for (const auto& item : model_->named_children()) register_module(item.key(), item.value());
    for (const auto& item : model_->named_parameters(/*recurse=*/false)) {
      register_parameter(item.key(), item.value(), item.value().requires_grad());
    }
    for (const auto& item : model_->named_buffers(/*recurse=*/false)) {
      register_buffer(item.key(), item.value());
    }
    apply();
  }

  TensorMap run(const TensorMap& inputs) override {
    follow();
    return model_->run(inputs);
  }
  TensorMap predict(const TensorMap& inputs) override {
    follow();
    return model_->predict(inputs);
  }
  void constrain() override {
    model_->constrain();
    apply();
  }
  bool is_derived(const std::string& buffer) const override { return model_->is_derived(buffer); }

 private:
  /// The mode of this module is that of its children already, but not of the model itself.
  void follow() {
    if (model_->is_training() != is_training()) model_->train(is_training());
    model_->set_draws_noise(draws_noise());
  }

  void apply() {
    const at::NoGradGuard no_grad;
    for (const auto& item : named_parameters()) {
      const at::Tensor* mask = masks_.find(item.key());
      if (mask) at::Tensor(item.value()).mul_(mask->to(item.value().options()));
    }
  }

  const std::shared_ptr<Model> model_;
  const TensorMap masks_;
};

/// The system with models that keep to `masks`.
System pruned(const System& system, const TensorMap& masks) {
  System copy = system;
  copy.model.make = [make = system.model.make, masks](const Config& config) {
    return std::make_shared<PrunedModel>(make(config), masks);
  };
  return copy;
}

int64_t entries(const TensorMap& masks) {
  int64_t count = 0;
  for (const auto& [name, mask] : masks) count += mask.numel();
  return count;
}
int64_t entries_left(const TensorMap& masks) {
  int64_t count = 0;
  for (const auto& [name, mask] : masks) count += mask.count_nonzero().item<int64_t>();
  return count;
}

TensorMap whole_masks(const Recipe& recipe) {
  const std::shared_ptr<Model> model = make_model(recipe);
  TensorMap masks;
  for (const auto& item : model->named_parameters()) {
    // A frozen one is no weight: the masks of ugs, say.
    const bool is_trained = item.value().requires_grad();
    if (is_trained && is_matrix(item.value())) {
      masks.set(item.key(), at::ones(item.value().sizes()));
    }
  }
  if (masks.empty()) {
    fail<InvalidArgument>({.where = "sparsify",
                           .rule = "the model of " + recipe.name + " has matrices to prune",
                           .got = "none",
                           .id = "T-SPARSE-02"});
  }
  return masks;
}

}  // namespace

TensorMap prune_smallest(const TensorMap& weights, const TensorMap& masks, double rate) {
  std::vector<at::Tensor> magnitudes;
  for (const auto& [name, mask] : masks) {
    const at::Tensor size = weights.at(name).detach().to(at::kCPU, at::kDouble).abs();
    magnitudes.push_back(size.masked_select(mask != 0));
  }
  const at::Tensor all = at::cat(magnitudes);
  const auto gone = static_cast<int64_t>(static_cast<double>(all.numel()) * rate);
  // kthvalue counts from 1; where nothing goes, everything is above the threshold.
  const double threshold = gone > 0 ? std::get<0>(all.kthvalue(gone)).item<double>() : -1;
  TensorMap kept;
  for (const auto& [name, mask] : masks) {
    const at::Tensor size = weights.at(name).detach().to(at::kCPU, at::kDouble).abs();
    kept.set(name, mask * (size > threshold));
  }
  return kept;
}

std::vector<SparsifyRound> sparsify(const std::function<Recipe()>& load,
                                    const SparsifyOptions& options,
                                    const std::function<void(const SparsifyRound&)>& done) {
  if (!(options.prune_rate > 0 && options.prune_rate < 1)) {
    fail<InvalidArgument>({.where = "sparsify",
                           .rule = "the rate is above 0 and below 1",
                           .got = shortest(options.prune_rate),
                           .id = "T-SPARSE-01"});
  }
  TensorMap masks = whole_masks(load());
  std::vector<SparsifyRound> rounds;
  for (int64_t round = 0; round <= options.rounds; ++round) {
    Recipe recipe = load();
    const System system = pruned(*recipe.system, masks);
    recipe.system = &system;
    TrainOptions train_options{.resume = true,
                               .data_root = options.data_root,
                               .observer = options.observer,
                               .run_store = options.run_store};
    if (!options.out.empty()) train_options.out = options.out + "/round-" + std::to_string(round);
    const TrainOutcome outcome = train(recipe, train_options);
    rounds.push_back({.round = round,
                      .weights = entries(masks),
                      .left = entries_left(masks),
                      .test = outcome.test});
    if (done) done(rounds.back());
    masks = prune_smallest(weights_of(*outcome.model), masks, options.prune_rate);
  }
  return rounds;
}

}  // namespace tessera::train
