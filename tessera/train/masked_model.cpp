#include "tessera/train/masked_model.h"

#include <torch/types.h>

#include <utility>
#include <vector>

#include "tessera/core/error.h"
#include "tessera/core/rng.h"
#include "tessera/systems/edge_weights.h"
#include "tessera/systems/masked_product.h"
#include "tessera/systems/phased.h"

namespace tessera::train {
namespace {

constexpr const char* kMaskEnding = "_mask";
constexpr const char* kKeptEnding = "_kept";

/// The input of `model` that holds the weights of edges.
std::string edge_input_of(const Model& model) {
  const auto* takes = dynamic_cast<const TakesEdgeWeights*>(&model);
  const std::string name = takes ? takes->edge_weight_input() : "";
  if (name.empty()) {
    fail<InvalidArgument>({.where = "sparsify",
                           .rule = "edges are pruned in models that take a weight for each edge",
                           .got = "a model that takes none",
                           .next = "Leave the edge rate at 0 to prune weights alone.",
                           .id = "T-SPARSE-05"});
  }
  return name;
}

/// A model around another one, which does what the other does but for its masks.
class MaskedModel : public Model, public Phased {
 public:
  TensorMap run(const TensorMap& inputs) override {
    prepare();
    return model_->run(weighted(inputs));
  }
  TensorMap predict(const TensorMap& inputs) override {
    prepare();
    return model_->predict(weighted(inputs));
  }
  bool is_derived(const std::string& buffer) const override { return model_->is_derived(buffer); }
  bool ends_phase() const override {
    const auto* phased = dynamic_cast<const Phased*>(model_.get());
    return phased && phased->ends_phase();
  }

 protected:
  MaskedModel(std::shared_ptr<Model> model, const Masks& masks) : model_(std::move(model)) {
    if (masks.edges.defined()) edge_input_ = edge_input_of(*model_);
  }

  /// The mode of this module is not that of the model.
  virtual void prepare() {
    if (model_->is_training() != is_training()) model_->train(is_training());
    model_->set_draws_noise(draws_noise());
  }
  virtual at::Tensor edge_weights() const = 0;  ///< (edges)

  Model& model() { return *model_; }

 private:
  TensorMap weighted(const TensorMap& inputs) const {
    if (edge_input_.empty()) return inputs;
    const at::Tensor weights = edge_weights();
    const at::Tensor* id = inputs.find(kEdgeId);
    // On other devices index_select checks the range.
    const auto fits = [&] {
      return !id->is_cpu() || id->numel() == 0 ||
             (id->min().item<int64_t>() >= 0 && id->max().item<int64_t>() < weights.numel());
    };
    if (!id || id->scalar_type() != at::kLong || id->dim() != 1 || !fits()) {
      fail<InvalidArgument>({.where = "sparsify",
                             .rule = std::string("a model with pruned edges needs ") + kEdgeId +
                                     ", int64 (E) of [0, " + std::to_string(weights.numel()) + ")",
                             .got = id ? c10::str(id->scalar_type(), " ", id->sizes(),
                                                  fits() ? "" : " with values outside")
                                       : "none",
                             .next = "It names the edge of each column of edge_index.",
                             .id = "T-SPARSE-06"});
    }
    TensorMap all = inputs;
    all.set(edge_input_, weights.index_select(0, *id));
    return all;
  }

  const std::shared_ptr<Model> model_;
  std::string edge_input_;
};

class PrunedModel final : public MaskedModel {
 public:
  PrunedModel(std::shared_ptr<Model> model, const Masks& masks)
      : MaskedModel(std::move(model), masks), masks_(masks.weights) {
    for (const auto& item : this->model().named_children()) {
      register_module(item.key(), item.value());
    }
    for (const auto& item : this->model().named_parameters(/*recurse=*/false)) {
      register_parameter(item.key(), item.value(), item.value().requires_grad());
    }
    for (const auto& item : this->model().named_buffers(/*recurse=*/false)) {
      register_buffer(item.key(), item.value());
    }
    if (masks.edges.defined()) edges_ = register_buffer(kEdgeMask, masks.edges.clone());
    apply();
  }

  void constrain() override {
    model().constrain();
    apply();
  }

 protected:
  at::Tensor edge_weights() const override { return edges_; }

 private:
  void apply() {
    const at::NoGradGuard no_grad;
    for (const auto& item : named_parameters()) {
      const at::Tensor* mask = masks_.find(item.key());
      if (mask) at::Tensor(item.value()).mul_(mask->to(item.value().options()));
    }
  }

  const TensorMap masks_;
  at::Tensor edges_;
};

/// The optimizer sees weights and masks, the model their products: leaves in the parameters' place.
class LearnedMaskModel final : public MaskedModel, public TrainsMasks {
 public:
  LearnedMaskModel(std::shared_ptr<Model> model, const Masks& masks,
                   const LearnedMaskOptions& options)
      : MaskedModel(std::move(model), masks),
        options_(options),
        generator_(at::detail::createCPUGenerator(options.seed)) {
    mirror(this->model(), *this, masks.weights, "");
    if (!masks.edges.defined()) return;
    edges_ = add_product({}, register_parameter(kEdgeMask, begin(masks.edges)),
                         register_buffer(std::string(kEdgeMask) + kKeptEnding, masks.edges.clone()),
                         {}, options.edge_l1);
  }

  void constrain() override {
    const at::NoGradGuard no_grad;
    // The model's rule is one for weights.
    for (const Shown& it : shown_) it.parameter.copy_(it.product->weight());
    model().constrain();
    for (const Shown& it : shown_) {
      at::Tensor(it.product->weight()).copy_(it.parameter);
      it.product->set_current(false);
    }
  }

  const MaskedProducts& take_products() override { return products_; }

 protected:
  void prepare() override {
    MaskedModel::prepare();
    for (const auto& product : products_) product->value();
  }
  at::Tensor edge_weights() const override { return edges_->value(); }

 private:
  /// A parameter of the model that holds a product.
  struct Shown {
    at::Tensor parameter;
    std::shared_ptr<MaskedProduct> product;
  };

  at::Tensor begin(const at::Tensor& kept) {
    const at::Tensor u = at::rand(kept.sizes(), generator_, kept.options()) * 2 - 1;
    return at::empty_like(kept).copy_(kept * (1 + options_.noise * u));
  }

  std::shared_ptr<MaskedProduct> add_product(const at::Tensor& weight, const at::Tensor& soft,
                                             const at::Tensor& kept, const at::Tensor& value,
                                             double l1) {
    const auto product = std::make_shared<MaskedProduct>(weight, soft, kept, value);
    product->take(l1);
    products_.push_back(product);
    return product;
  }

  /// Gives `to` the names of `from`: the same tensors, but masked parameters as copies that the
  /// optimizer sees in their place, beside their masks.
  void mirror(const torch::nn::Module& from, torch::nn::Module& to, const TensorMap& masks,
              const std::string& path) {
    for (const auto& item : from.named_parameters(/*recurse=*/false)) {
      const std::string& name = item.key();
      const at::Tensor* mask = masks.find(path + name);
      if (!mask) {
        to.register_parameter(name, item.value(), item.value().requires_grad());
        continue;
      }
      const at::Tensor kept = at::empty_like(item.value().detach()).copy_(*mask);
      const auto product = add_product(to.register_parameter(name, item.value().detach().clone()),
                                       to.register_parameter(name + kMaskEnding, begin(kept)),
                                       to.register_buffer(name + kMaskEnding + kKeptEnding, kept),
                                       item.value(), options_.weight_l1);
      shown_.push_back({item.value(), product});
    }
    for (const auto& item : from.named_buffers(/*recurse=*/false)) {
      to.register_buffer(item.key(), item.value());
    }
    for (const auto& item : from.named_children()) {
      const auto child = std::make_shared<torch::nn::Module>(item.value()->name());
      to.register_module(item.key(), child);
      mirror(*item.value(), *child, masks, path + item.key() + ".");
    }
  }

  const LearnedMaskOptions options_;
  at::Generator generator_;
  MaskedProducts products_;
  std::vector<Shown> shown_;
  std::shared_ptr<MaskedProduct> edges_;
};

}  // namespace

std::shared_ptr<Model> with_masks(std::shared_ptr<Model> model, const Masks& masks) {
  return std::make_shared<PrunedModel>(std::move(model), masks);
}

std::shared_ptr<Model> with_learned_masks(std::shared_ptr<Model> model, const Masks& masks,
                                          const LearnedMaskOptions& options) {
  return std::make_shared<LearnedMaskModel>(std::move(model), masks, options);
}

Masks learned_masks(const TensorMap& weights, const Masks& masks) {
  Masks learned;
  for (const auto& [name, mask] : masks.weights) {
    learned.weights.set(name, weights.at(name + kMaskEnding));
  }
  if (masks.edges.defined()) learned.edges = weights.at(kEdgeMask);
  return learned;
}

std::shared_ptr<Model> make_trained_model(const Recipe& recipe, const TensorMap& weights) {
  std::shared_ptr<Model> model = make_model(recipe);
  const at::Tensor* edges = weights.find(kEdgeMask);
  if (edges && !weights_of(*model).contains(kEdgeMask)) {
    model = with_masks(model, {.edges = at::empty_like(*edges)});
    model->to(device_of(recipe.run), dtype_of(recipe.run));
  }
  load_weights(*model, weights);
  model->eval();
  return model;
}

}  // namespace tessera::train
