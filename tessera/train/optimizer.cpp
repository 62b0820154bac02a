#include "tessera/train/optimizer.h"

#include <ATen/ATen.h>

#include <cmath>

#include "tessera/core/error.h"
#include "tessera/ops/sparsity_adam.h"

namespace tessera::train {
namespace {

/// What a named optimizer takes where the config says nothing, and which settings it has at all.
struct Kind {
  std::string_view name;
  std::vector<double> betas;  ///< empty: it has none
  double eps;
  double weight_decay;
  bool has_momentum, is_sgd, is_rmsprop;
};

const std::vector<Kind>& kinds() {
  static const std::vector<Kind> kKinds = {
      {"adam", {0.9, 0.999}, 1e-8, 0.0, false, false, false},
      {"adamw", {0.9, 0.999}, 1e-8, 0.01, false, false, false},
      {"sgd", {}, 0.0, 0.0, true, true, false},
      {"rmsprop", {}, 1e-8, 0.0, true, false, true},
      {"adam_keras", {0.9, 0.999}, 1e-7, 0.0, false, false, false},
      {"lra_adam", {0.9, 0.98}, 1e-9, 0.0, false, false, false},
  };
  return kKinds;
}

const Kind& kind_of(const std::string& name) {
  for (const Kind& kind : kinds()) {
    if (kind.name == name) return kind;
  }
  fail<Internal>({.where = "optimizer", .rule = "no optimizer named \"" + name + "\""});
}

/// Fills in the named optimizer's own values.
OptimizerConfig resolved(OptimizerConfig config) {
  config.validate();
  const Kind& kind = kind_of(config.name);
  if (config.betas.empty()) config.betas = kind.betas;
  if (!config.eps) config.eps = kind.eps;
  if (!config.weight_decay) config.weight_decay = kind.weight_decay;
  return config;
}

class Adam final : public Optimizer {
 public:
  Adam(OptimizerConfig config, NamedParameters parameters)
      : Optimizer(std::move(config), std::move(parameters), {"exp_avg", "exp_avg_sq"}) {}

  void update(Group& group) override {
    const OptimizerConfig& c = config();
    const at::Tensor updates = at::full({}, static_cast<double>(group.updates),
                                        group.parameters.front().options().dtype(at::kFloat));
    const std::vector<at::Tensor> counts(group.parameters.size(), updates);
    if (is_decoupled()) {
      at::_fused_adamw_(group.parameters, group.gradients, group.slots[0], group.slots[1], {},
                        counts, group.lr, c.betas[0], c.betas[1], *c.weight_decay,
                        eps(group.updates), /*amsgrad=*/false, /*maximize=*/false);
    } else {
      at::_fused_adam_(group.parameters, group.gradients, group.slots[0], group.slots[1], {},
                       counts, group.lr, c.betas[0], c.betas[1], *c.weight_decay,
                       eps(group.updates), /*amsgrad=*/false, /*maximize=*/false);
    }
  }

  bool has_product_pass() const override { return !is_decoupled(); }

  void update_product(const Product& p) override {
    const OptimizerConfig& c = config();
    // A weight under a frozen mask is to the kernel a mask without a weight.
    Entry& mask = p.mask ? *p.mask : *p.weight;
    Entry* const weight = p.mask ? p.weight : nullptr;
    const at::Tensor none = at::empty({0}, mask.parameter.options());
    const at::Tensor& constant = p.product->constant();
    ops::sparsity_adam_({.weight = {weight ? weight->parameter : none},
                         .mask = {mask.parameter},
                         .fixed = {constant.defined() ? constant : none},
                         .weight_avg = {weight ? weight->slots[0] : none},
                         .weight_square = {weight ? weight->slots[1] : none},
                         .mask_avg = {mask.slots[0]},
                         .mask_square = {mask.slots[1]},
                         .effective = {p.product->value()}},
                        {p.product->gradient()}, mask.updates,
                        {.lr = lr_of(mask),
                         .beta1 = c.betas[0],
                         .beta2 = c.betas[1],
                         .eps = eps(mask.updates),
                         .weight_decay = *c.weight_decay,
                         .l1 = {p.mask ? p.product->l1() : 0}});
  }

 private:
  bool is_decoupled() const { return config().name == "adamw" || config().name == "lra_adam"; }
  double eps(int64_t updates) const {
    if (config().name != "adam_keras") return *config().eps;
    // Keras divides by √v + eps before the bias correction: torch's form with a larger eps.
    return *config().eps / std::sqrt(1 - std::pow(config().betas[1], static_cast<double>(updates)));
  }
};

class Sgd final : public Optimizer {
 public:
  Sgd(OptimizerConfig config, NamedParameters parameters)
      : Optimizer(config, std::move(parameters),
                  config.momentum != 0 ? std::vector<std::string>{"momentum"}
                                       : std::vector<std::string>{}) {}

  void update(Group& group) override {
    const OptimizerConfig& c = config();
    at::_fused_sgd_(group.parameters, group.gradients,
                    group.slots.empty() ? std::vector<at::Tensor>{} : group.slots[0],
                    *c.weight_decay, c.momentum, group.lr, c.dampening, c.nesterov,
                    /*maximize=*/false, /*is_first_step=*/group.updates == 1);
  }
};

class RmsProp final : public Optimizer {
 public:
  RmsProp(OptimizerConfig config, NamedParameters parameters)
      : Optimizer(config, std::move(parameters), slot_names(config)) {}

  void update(Group& group) override {
    const OptimizerConfig& c = config();
    auto& square_avg = group.slots[0];
    std::vector<at::Tensor> gradients = group.gradients;
    if (*c.weight_decay != 0) {
      gradients = at::_foreach_add(gradients, group.parameters, *c.weight_decay);
    }
    at::_foreach_mul_(square_avg, c.alpha);
    at::_foreach_addcmul_(square_avg, gradients, gradients, 1 - c.alpha);
    std::vector<at::Tensor> scale;
    if (c.centered) {
      auto& grad_avg = group.slots[1];
      at::_foreach_lerp_(grad_avg, gradients, 1 - c.alpha);
      scale = at::_foreach_addcmul(square_avg, grad_avg, grad_avg, -1);
      at::_foreach_sqrt_(scale);
    } else {
      scale = at::_foreach_sqrt(square_avg);
    }
    at::_foreach_add_(scale, *c.eps);
    if (c.momentum != 0) {
      auto& momentum = group.slots.back();
      at::_foreach_mul_(momentum, c.momentum);
      at::_foreach_addcdiv_(momentum, gradients, scale, 1);
      at::_foreach_add_(group.parameters, momentum, -group.lr);
    } else {
      at::_foreach_addcdiv_(group.parameters, gradients, scale, -group.lr);
    }
  }

 private:
  static std::vector<std::string> slot_names(const OptimizerConfig& config) {
    std::vector<std::string> names = {"square_avg"};
    if (config.centered) names.push_back("grad_avg");
    if (config.momentum != 0) names.push_back("momentum");
    return names;
  }
};

/// The kernels walk memory, so a gradient must be laid out as its parameter is.
at::Tensor laid_out_like(const at::Tensor& parameter, const at::Tensor& gradient) {
  if (gradient.strides() == parameter.strides() &&
      gradient.scalar_type() == parameter.scalar_type()) {
    return gradient;
  }
  return at::empty_like(parameter).copy_(gradient);
}

}  // namespace

FieldInfo OptimizerConfig::name_info() {
  FieldInfo info{.help = "rule that updates the parameters"};
  for (const Kind& kind : kinds()) info.one_of.emplace_back(kind.name);
  return info;
}

void OptimizerConfig::fields(FieldList& list) {
  list("name", name, name_info());
  list_settings(list);
}

void OptimizerConfig::list_settings(FieldList& list) {
  list("lr", lr, {.help = "learning rate", .min = 0});
  list("betas", betas,
       {.help = "decays of Adam's two averages; empty: the optimizer's own", .min = 0, .max = 1});
  list("eps", eps, {.help = "added to a denominator; none: the optimizer's own", .min = 0});
  list("weight_decay", weight_decay,
       {.help = "L2 decay, decoupled in adamw; none: the optimizer's own", .min = 0});
  list("momentum", momentum, {.help = "of sgd and rmsprop", .min = 0});
  list("dampening", dampening, {.help = "of sgd's momentum", .min = 0, .max = 1});
  list("nesterov", nesterov, {.help = "sgd looks ahead along its momentum"});
  list("alpha", alpha, {.help = "decay of rmsprop's average of squares", .min = 0, .max = 1});
  list("centered", centered, {.help = "rmsprop divides by the variance instead"});
  list("head_lr_ratio", head_lr_ratio,
       {.help = "learning rate of the parameters whose names begin with head, over lr", .min = 0});
  list("head", head, {.help = "how the names of a model's head begin"});
}

void OptimizerConfig::validate() const {
  const Kind& kind = kind_of(name);
  const auto refuse = [&](const std::string& rule, const std::string& got) {
    fail<InvalidArgument>({.where = "optimizer",
                           .rule = name + " " + rule,
                           .got = got,
                           .next = "See `tessera help train` for the settings of each optimizer.",
                           .id = "T-OPT-01"});
  };
  const OptimizerConfig defaults;
  if (kind.betas.empty() && !betas.empty()) refuse("has no betas", "betas");
  if (!betas.empty() && (betas.size() != 2 || betas[0] >= 1 || betas[1] >= 1)) {
    refuse("takes two betas below 1", Json(betas).dump());
  }
  if (kind.is_sgd && eps) refuse("has no eps", "eps");
  if (!kind.has_momentum && momentum != 0) refuse("has no momentum", "momentum");
  if (!kind.is_sgd && dampening != 0) refuse("has no dampening", "dampening");
  if (!kind.is_sgd && nesterov) refuse("has no Nesterov momentum", "nesterov");
  if (nesterov && (momentum == 0 || dampening != 0)) {
    refuse("needs momentum above 0 and dampening 0 for nesterov", Json(momentum).dump());
  }
  if (!kind.is_rmsprop && alpha != defaults.alpha) refuse("has no alpha", "alpha");
  if (!kind.is_rmsprop && centered) refuse("has no centered form", "centered");
}

NamedParameters parameters_of(const Model& model) {
  NamedParameters parameters;
  for (const auto& item : model.named_parameters()) {
    parameters.emplace_back(item.key(), item.value());
  }
  return parameters;
}

std::unique_ptr<Optimizer> Optimizer::make(const OptimizerConfig& config,
                                           NamedParameters parameters, MaskedProducts products) {
  const OptimizerConfig full = resolved(config);
  std::unique_ptr<Optimizer> made;
  if (full.name == "sgd") {
    made = std::make_unique<Sgd>(full, std::move(parameters));
  } else if (full.name == "rmsprop") {
    made = std::make_unique<RmsProp>(full, std::move(parameters));
  } else {
    made = std::make_unique<Adam>(full, std::move(parameters));
  }
  made->add_products(std::move(products));
  return made;
}

std::unique_ptr<Optimizer> Optimizer::make(const Json& spec, NamedParameters parameters,
                                           MaskedProducts products) {
  OptimizerConfig config;
  read_config(config, spec, "optimizer");
  return make(config, std::move(parameters), std::move(products));
}

std::unique_ptr<Optimizer> Optimizer::make(const OptimizerConfig& config, Model& model) {
  auto* masks = dynamic_cast<TrainsMasks*>(&model);
  return make(config, parameters_of(model), masks ? masks->take_products() : MaskedProducts{});
}

std::unique_ptr<Optimizer> Optimizer::make(const Json& spec, Model& model) {
  OptimizerConfig config;
  read_config(config, spec, "optimizer");
  return make(config, model);
}

Optimizer::Optimizer(OptimizerConfig config, NamedParameters parameters,
                     std::vector<std::string> slots)
    : config_(std::move(config)), slot_names_(std::move(slots)) {
  for (auto& [name, parameter] : parameters) {
    const bool is_real =
        parameter.scalar_type() == at::kFloat || parameter.scalar_type() == at::kDouble;
    if (!is_real || !parameter.is_non_overlapping_and_dense()) {
      fail<InvalidArgument>({.where = "optimizer",
                             .rule = "a parameter is a dense float32 or float64 tensor",
                             .got = name + " " + c10::toString(parameter.scalar_type()),
                             .id = "T-OPT-02"});
    }
    const bool is_head = config_.head_lr_ratio != 1 && name.starts_with(config_.head);
    entries_.push_back(
        {.name = std::move(name), .parameter = std::move(parameter), .is_head = is_head});
  }
}

void Optimizer::add_products(MaskedProducts products) {
  const auto entry_of = [&](const at::Tensor& parameter) -> Entry* {
    for (Entry& entry : entries_) {
      if (entry.parameter.is_same(parameter)) return &entry;
    }
    return nullptr;
  };
  for (auto& product : products) {
    Entry *const weight = entry_of(product->weight()), *const mask = entry_of(product->mask());
    if (!mask || (product->weight().defined() && !weight)) {
      fail<Internal>({.where = "optimizer", .rule = "a product is of the model's parameters"});
    }
    products_.push_back({.product = std::move(product), .weight = weight, .mask = mask});
  }
}

void Optimizer::zero_grad() {
  for (Entry& entry : entries_) entry.parameter.mutable_grad() = at::Tensor();
  for (const Product& product : products_) product.product->drop_gradient();
  is_passed_on_ = false;
}

void Optimizer::step() {
  const at::NoGradGuard no_grad;
  for (const Product& it : products_) {
    if (!is_passed_on_ && is_one_update(it)) {
      update_at_once(it);
      continue;
    }
    if (!is_passed_on_) it.product->pass_on();
    it.product->set_current(false);  // the groups' kernels do not tell that they wrote
  }
  is_passed_on_ = false;
  for (Group& group : gather()) update(group);
}

bool Optimizer::is_one_update(const Product& p) const {
  MaskedProduct& product = *p.product;
  const at::Tensor& mask = p.mask->parameter;
  const auto fits = [&](const at::Tensor& tensor) {
    return !tensor.defined() || tensor.strides() == mask.strides();
  };
  if (!has_product_pass() || !product.gradient().defined() || mask.grad().defined() ||
      !fits(product.value()) || !fits(product.constant())) {
    return false;
  }
  if (!p.weight) return product.trains_mask();
  const at::Tensor& weight = p.weight->parameter;
  const bool is_together = !product.trains_mask() || (p.weight->updates == p.mask->updates &&
                                                      p.weight->is_head == p.mask->is_head);
  return is_together && fits(weight) && weight.requires_grad() && !weight.grad().defined();
}

void Optimizer::update_at_once(const Product& p) {
  Product now = p;
  if (!p.product->trains_mask()) now.mask = nullptr;
  for (Entry* entry : {now.weight, now.mask}) {
    if (entry) count(*entry);
  }
  update_product(now);
  p.product->drop_gradient();
  p.product->set_current(true);
}

void Optimizer::count(Entry& entry) const {
  if (entry.updates++ > 0) return;
  for (size_t i = 0; i < slot_names_.size(); ++i) {
    entry.slots.push_back(at::zeros_like(entry.parameter));
  }
}

double Optimizer::lr_of(const Entry& entry) const {
  return config_.lr * (entry.is_head ? config_.head_lr_ratio : 1);
}

at::Tensor Optimizer::clip_grad_norm(double max_norm) {
  const at::NoGradGuard no_grad;
  for (const Product& product : products_) product.product->pass_on();
  is_passed_on_ = true;
  std::vector<at::Tensor> gradients;
  for (const Entry& entry : entries_) {
    if (entry.parameter.grad().defined()) gradients.push_back(entry.parameter.grad());
  }
  if (gradients.empty()) return at::zeros({});
  const at::Tensor norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(gradients)));
  at::_foreach_mul_(gradients, (max_norm / (norm + 1e-6)).clamp_max(1.0));
  return norm;
}

std::vector<Optimizer::Group> Optimizer::gather() {
  std::vector<Group> groups;
  for (Entry& entry : entries_) {
    const at::Tensor& gradient = entry.parameter.grad();
    if (!gradient.defined()) continue;
    count(entry);
    const auto& like = entry.parameter;
    auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& candidate) {
      const at::Tensor& first = candidate.parameters.front();
      return candidate.updates == entry.updates && candidate.is_head == entry.is_head &&
             first.scalar_type() == like.scalar_type() && first.device() == like.device();
    });
    if (group == groups.end()) {
      group = groups.insert(
          groups.end(),
          Group{.updates = entry.updates, .is_head = entry.is_head, .lr = lr_of(entry)});
      group->slots.resize(slot_names_.size());
    }
    group->parameters.push_back(entry.parameter);
    group->gradients.push_back(laid_out_like(entry.parameter, gradient));
    for (size_t i = 0; i < slot_names_.size(); ++i) group->slots[i].push_back(entry.slots[i]);
  }
  return groups;
}

TensorMap Optimizer::state() const {
  TensorMap state;
  for (const Entry& entry : entries_) {
    if (entry.updates == 0) continue;
    state.set("updates/" + entry.name, at::scalar_tensor(entry.updates, at::kLong));
    for (size_t i = 0; i < slot_names_.size(); ++i) {
      state.set(slot_names_[i] + "/" + entry.name, entry.slots[i]);
    }
  }
  return state;
}

void Optimizer::restore(const TensorMap& state) {
  size_t used = 0;
  for (Entry& entry : entries_) {
    entry.updates = 0;
    entry.slots.clear();
    const at::Tensor* updates = state.find("updates/" + entry.name);
    if (!updates) continue;
    entry.updates = updates->item<int64_t>();
    ++used;
    for (const std::string& slot : slot_names_) {
      const at::Tensor& saved = state.at(slot + "/" + entry.name);
      if (saved.sizes() != entry.parameter.sizes()) {
        fail<InvalidArgument>({.where = "optimizer",
                               .rule = "the saved " + slot + " of " + entry.name + " is " +
                                       c10::str(entry.parameter.sizes()),
                               .got = c10::str(saved.sizes()),
                               .id = "T-OPT-03"});
      }
      entry.slots.push_back(at::empty_like(entry.parameter).copy_(saved));
      ++used;
    }
  }
  if (used != state.size()) {
    fail<InvalidArgument>({.where = "optimizer",
                           .rule = "the saved state is of these parameters and this optimizer",
                           .got = std::to_string(state.size() - used) + " entries too many",
                           .id = "T-OPT-04"});
  }
}

}  // namespace tessera::train
