#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tessera/core/config.h"
#include "tessera/core/tensor_map.h"
#include "tessera/systems/masked_product.h"
#include "tessera/systems/model.h"

namespace tessera::train {

/// What an optimizer is made from: `train.optimizer` of a trace case, or the same keys in a recipe.
/// torch's conventions and defaults; a value that is not given is the named optimizer's own.
struct OptimizerConfig final : Config {
  std::string name = "adam";
  double lr = 1e-3;
  std::vector<double> betas;           ///< empty: (0.9, 0.999); lra_adam (0.9, 0.98)
  std::optional<double> eps;           ///< none: 1e-8; adam_keras 1e-7, lra_adam 1e-9
  std::optional<double> weight_decay;  ///< none: 0; adamw 0.01
  double momentum = 0;
  double dampening = 0;
  bool nesterov = false;
  double alpha = 0.99;
  bool centered = false;
  double head_lr_ratio = 1;
  std::string head = "c_net.";

  void fields(FieldList& list) override;
  /// The fields without the name, for a config that has them beside its own.
  void list_settings(FieldList& list);
  static FieldInfo name_info();
  /// Throws InvalidArgument on a setting that the named optimizer does not have.
  void validate() const override;
};

using NamedParameters = std::vector<std::pair<std::string, at::Tensor>>;
NamedParameters parameters_of(const Model& model);

/// Updates parameters in place from their gradients, all of them in a few fused kernel calls.
/// A parameter without a gradient is left alone entirely: no state, no decay, no count of updates.
///   adam        L2 decay is added to the gradient; eps after the bias correction
///   adamw       decay is decoupled: w ← w − lr·decay·w
///   sgd         with momentum, dampening, Nesterov
///   rmsprop     with momentum, centred
///   adam_keras  adam with eps added before the bias correction
///   lra_adam    adamw with the defaults of Long-Range Arena
/// Of masked products (systems/masked_product.h) the gradient goes on to weight and mask, the
/// mask's with the penalty; adam and adam_keras update both in the pass that forms the new product.
class Optimizer {
 public:
  /// Parameters must be float or double, and dense. Products are of these parameters.
  /// Throws InvalidArgument.
  static std::unique_ptr<Optimizer> make(const OptimizerConfig& config, NamedParameters parameters,
                                         MaskedProducts products = {});
  /// From a case's `train.optimizer`: {"name": "adam", "lr": 0.001, …}.
  static std::unique_ptr<Optimizer> make(const Json& spec, NamedParameters parameters,
                                         MaskedProducts products = {});
  /// Of all parameters of a model; takes its products where it has any.
  static std::unique_ptr<Optimizer> make(const OptimizerConfig& config, Model& model);
  static std::unique_ptr<Optimizer> make(const Json& spec, Model& model);
  virtual ~Optimizer() = default;

  void step();
  /// Drops the gradients, so that a parameter that the next backward does not reach has none.
  void zero_grad();
  /// Scales all gradients so that their joint Euclidean norm is at most `max_norm`; returns the
  /// norm before, as a 0-d tensor (nothing is read back). torch's rule: factor
  /// max_norm / (norm + 1e-6). Penalties of masks count.
  at::Tensor clip_grad_norm(double max_norm);

  double lr() const { return config_.lr; }
  void set_lr(double lr) { config_.lr = lr; }

  /// Per parameter that has state: `<slot>/<parameter>`, and `updates/<parameter>` (int64 scalar).
  TensorMap state() const;
  /// Continues exactly where state() was taken. Throws InvalidArgument on names or shapes that do
  /// not fit the parameters.
  void restore(const TensorMap& state);

 protected:
  /// One parameter with what the optimizer keeps for it.
  struct Entry {
    std::string name;
    at::Tensor parameter;
    bool is_head = false;
    int64_t updates = 0;
    std::vector<at::Tensor> slots;  ///< in the order of slot_names(); empty before the first update
  };

  /// Parameters that have a gradient, one rate and the same number of updates, as the kernels'
  /// lists.
  struct Group {
    int64_t updates = 0;  ///< this one included
    bool is_head = false;
    double lr = 0;
    std::vector<at::Tensor> parameters, gradients;
    std::vector<std::vector<at::Tensor>> slots;  ///< [slot][parameter]
  };

  /// A product with the entries of its factors.
  struct Product {
    std::shared_ptr<MaskedProduct> product;
    Entry* weight = nullptr;  ///< null: one
    Entry* mask = nullptr;    ///< null in an update that leaves it alone
  };

  Optimizer(OptimizerConfig config, NamedParameters parameters, std::vector<std::string> slots);

  const OptimizerConfig& config() const { return config_; }
  double lr_of(const Entry& entry) const;
  virtual void update(Group& group) = 0;
  /// Whether the rule updates a product in one pass; else its factors come with the groups.
  virtual bool has_product_pass() const { return false; }
  virtual void update_product(const Product&) {}

 private:
  void add_products(MaskedProducts products);
  /// Whether the product's own gradient is all there is to the update of its factors.
  bool is_one_update(const Product& product) const;
  void update_at_once(const Product& product);
  /// Counts the update; new slots are zeros.
  void count(Entry& entry) const;
  /// Counts and gathers. Usually one group.
  std::vector<Group> gather();

  OptimizerConfig config_;
  std::vector<std::string> slot_names_;
  std::vector<Entry> entries_;
  std::vector<Product> products_;
  bool is_passed_on_ = false;
};

}  // namespace tessera::train
