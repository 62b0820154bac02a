#include "tessera/systems/ugs/search.h"

#include <ATen/autocast_mode.h>
#include <c10/util/ScopeExit.h>
#include <torch/types.h>

#include <cmath>
#include <utility>

#include "tessera/core/error.h"
#include "tessera/core/rng.h"

namespace tessera::ugs {
namespace {

constexpr const char* kScalars[] = {"validation", "ticket_validation", "ticket_test", "halted"};

/// Whether `action` ran, or met a node whose masked degree is negative.
template <class Action>
bool has_degrees(Action action) {
  try {
    action();
    return true;
  } catch (const InvalidArgument& error) {
    if (error.id() != "T-PROP-03") throw;
    return false;
  }
}

at::Generator generator_of(const UgsConfig& config, const std::string& purpose, int64_t round) {
  return at::detail::createCPUGenerator(
      stream_seed(static_cast<uint64_t>(config.seed), purpose + "/" + std::to_string(round)));
}

double share_left(const std::vector<at::Tensor>& hard) {
  double left = 0, all = 0;
  for (const at::Tensor& mask : hard) {
    left += static_cast<double>(mask.count_nonzero().item<int64_t>());
    all += static_cast<double>(mask.numel());
  }
  return all > 0 ? 100 * left / all : 100;
}

/// Soft masks of a round: m2 by the rule of mask_init, then scaled by 1 + U(−c, c).
at::Tensor first_mask(const UgsConfig& config, const at::Tensor& hard, at::Generator& generator) {
  const auto options = hard.options().requires_grad(false);
  const auto uniform = [&](double low, double high) {
    return at::empty(hard.sizes(), options).uniform_(low, high, generator);
  };
  at::Tensor mask = hard.clone();
  if (config.mask_init == "kaiming") {
    // a = √5: the bound is 1/√fan_in.
    const double bound = 1 / std::sqrt(static_cast<double>(hard.size(-1)));
    mask = uniform(-bound, bound) * hard;
  } else if (config.mask_init == "normal") {
    mask = at::empty(hard.sizes(), options).normal_(1, 0.1, generator) * hard;
  } else if (config.mask_init == "uniform") {
    mask = uniform(0.8, 1.2) * hard;
  }
  return mask + uniform(-config.mask_noise, config.mask_noise) * mask;
}

}  // namespace

SearchModel::SearchModel(const UgsConfig& config) : UgsModel(config) {
  torch::nn::Module& state = module_at(*this, "search");
  state.register_buffer("updates", torch::zeros({}, torch::kLong));
  for (const char* name : kScalars) state.register_buffer(name, torch::full({}, -1.0));
  store("first", trained());
  store("ticket", trained());
  TensorMap kept;
  for (const auto& item : named_buffers()) {
    if (item.key().find("mask") != std::string::npos) kept.set(item.key(), item.value());
  }
  store("kept", kept);
  if (config.search == "one_shot") store("whole", trained());
}

bool SearchModel::is_derived(const std::string& buffer) const {
  const size_t dot = buffer.find('.');
  const std::string root = buffer.substr(0, dot);
  return root == "search" || root == "first" || root == "ticket" || root == "kept" ||
         root == "whole" || UgsModel::is_derived(buffer);
}

TensorMap SearchModel::trained() const {
  TensorMap list;
  for (const auto& [name, tensor] : weights_of(*this)) {
    const bool is_own = name == "centres" || SearchModel::is_derived(name);
    if (!is_own && name.find("mask") == std::string::npos) list.set(name, tensor);
  }
  return list;
}

void SearchModel::store(const std::string& prefix, const TensorMap& tensors) {
  for (const auto& [name, tensor] : tensors) {
    const std::string path = prefix + "." + name;
    const size_t dot = path.rfind('.');
    torch::nn::Module& owner = module_at(*this, path.substr(0, dot));
    const std::string leaf = path.substr(dot + 1);
    const auto buffers = owner.named_buffers(/*recurse=*/false);
    if (const at::Tensor* there = buffers.find(leaf)) {
      at::Tensor(*there).copy_(tensor.detach());
    } else {
      owner.register_buffer(leaf, tensor.detach().clone());
    }
  }
}

TensorMap SearchModel::stored(const std::string& prefix) const {
  TensorMap all;
  for (const auto& item : named_buffers()) all.set(item.key(), item.value());
  return all.with_prefix(prefix + ".");
}

void SearchModel::copy_weights(const TensorMap& from) {
  const at::NoGradGuard no_grad;
  const TensorMap own = weights_of(*this);
  for (const auto& [name, tensor] : from) at::Tensor(own.at(name)).copy_(tensor);
}

double SearchModel::scalar(const char* name) const {
  return stored("search").at(name).item<double>();
}
void SearchModel::set_scalar(const char* name, double value) {
  at::Tensor(stored("search").at(name)).fill_(value);
}
int64_t SearchModel::updates() const { return stored("search").at("updates").item<int64_t>(); }

Place SearchModel::place(int64_t updates) const {
  const UgsConfig& it = config();
  const int64_t masks = it.search == "ugs" ? it.mask_epochs : 0;
  const int64_t length = masks + it.retrain_epochs;
  Place place{.round = updates / length, .epoch = updates % length};
  place.trains_masks = place.epoch < masks;
  if (!place.trains_masks) place.epoch -= masks;
  place.phase_epochs = place.trains_masks ? masks : it.retrain_epochs;
  return place;
}

bool SearchModel::drops() const {
  if (is_ahead_) return false;
  const bool is_due = config().dropout_schedule == "always" || place(updates()).epoch == 0;
  return is_due && UgsModel::drops();
}

void SearchModel::begin_phase(const Place& place) {
  const int64_t rounds = config().num_rounds + (config().search == "one_shot" ? 1 : 0);
  if (place.round >= rounds) {
    fail<InvalidArgument>(
        {.where = "ugs",
         .rule = "the training ends with the last of " + std::to_string(rounds) + " rounds",
         .got = "an update after it",
         .next = "Lower train.epochs or raise model.num_rounds.",
         .id = "T-UGS-41"});
  }
  if (place.round == 0 && updates() == 0) store("first", trained());
  copy_weights(stored("first"));
  set_scalar("validation", -1);
  set_scalar("halted", 0);
  if (place.trains_masks) {
    begin_masks(place.round);
  } else {
    begin_retraining(place.round);
  }
}

void SearchModel::begin_masks(int64_t round) {
  const at::NoGradGuard no_grad;
  at::Generator generator = generator_of(config(), "mask_noise", round);
  const Masks it = masks();
  if (it.edge_soft.defined()) {
    at::Tensor(it.edge_soft).copy_(first_mask(config(), it.edge_hard, generator));
  }
  for (const MaskedWeight& weight : it.weights) {
    at::Tensor(weight.soft).copy_(first_mask(config(), weight.hard, generator));
  }
}

void SearchModel::begin_retraining(int64_t round) {
  const at::NoGradGuard no_grad;
  const UgsConfig& config = this->config();
  Masks it = masks();
  if (config.search == "ugs") {
    copy_weights(stored("kept"));
  } else if (config.search == "random") {
    at::Generator generator = generator_of(config, "random_mask", round);
    if (it.edge_hard.defined() && config.graph_prune_rate > 0) {
      it.edge_hard.copy_(random_mask(it.edge_hard, config.graph_prune_rate, round, generator));
    }
    for (MaskedWeight& weight : it.weights) {
      if (config.weight_prune_rate == 0) continue;
      weight.hard.copy_(random_mask(weight.hard, config.weight_prune_rate, round, generator));
    }
  } else if (config.search == "one_shot" && round > 0) {
    const TensorMap whole = stored("whole"), own = weights_of(*this);
    std::vector<at::Tensor> magnitudes;
    for (const MaskedWeight& weight : it.weights) {
      for (const auto& [name, tensor] : whole) {
        if (own.at(name).data_ptr() == weight.weight.data_ptr()) magnitudes.push_back(tensor);
      }
    }
    const double left = std::pow(1 - config.weight_prune_rate, static_cast<double>(round));
    const Pruning pruning = prune(magnitudes, 1 - left);
    for (size_t i = 0; i < it.weights.size(); ++i) it.weights[i].hard.copy_(pruning.keep[i]);
  }
  if (it.edge_soft.defined()) it.edge_soft.copy_(it.edge_hard);
  for (MaskedWeight& weight : it.weights) weight.soft.copy_(weight.hard);
}

void SearchModel::keep_masks() {
  const at::NoGradGuard no_grad;
  const Masks it = masks();
  TensorMap kept;
  const TensorMap own = weights_of(*this);
  const auto name_of = [&](const at::Tensor& tensor) {
    for (const auto& [name, candidate] : own) {
      if (candidate.data_ptr() == tensor.data_ptr()) return name;
    }
    return std::string();
  };
  if (it.edge_soft.defined()) {
    const bool is_pruned = config().graph_prune_rate > 0;
    kept.set(name_of(it.edge_hard),
             is_pruned ? prune({it.edge_soft}, config().graph_prune_rate).keep[0] : it.edge_hard);
  }
  std::vector<at::Tensor> soft;
  for (const MaskedWeight& weight : it.weights) soft.push_back(weight.soft);
  if (!soft.empty() && config().weight_prune_rate > 0) {
    const Pruning pruning = prune(soft, config().weight_prune_rate);
    for (size_t i = 0; i < soft.size(); ++i) {
      kept.set(name_of(it.weights[i].hard), pruning.keep[i]);
    }
  }
  store("kept", kept);
}

double SearchModel::score(const at::Tensor& out, const std::string& split) const {
  if (config().is_link_prediction()) {
    return 100 * roc_auc(pair_scores(out, batch_.at(split + "_positive")),
                         pair_scores(out, batch_.at(split + "_negative")));
  }
  const at::Tensor& index = batch_.at(split + "_idx");
  const at::Tensor hits =
      out.index_select(0, index).argmax(1) == batch_.at("labels").index_select(0, index);
  return 100 * hits.to(at::kDouble).mean().item<double>();
}

TensorMap SearchModel::run(const TensorMap& inputs) {
  if (!is_training()) {
    TensorMap outputs = UgsModel::run(inputs);
    report(outputs);
    return outputs;
  }
  const Place at = place(updates());
  if (at.epoch == 0) begin_phase(at);
  set_masks_trained(at.trains_masks);
  ends_phase_ = false;
  if (TensorMap ahead = take_ahead(inputs); !ahead.empty()) return ahead;
  batch_ = inputs;
  if (!at.trains_masks) return UgsModel::run(inputs);
  // L1 drives the masks of a hub below 0 together, and its degree with them. From there on the
  // authors' losses are NaN and no epoch is better: the masks kept so far are the round's. Here the
  // rest of the phase runs on hard masks, so that the loss stays a number, and keeps nothing.
  TensorMap outputs;
  if (scalar("halted") == 0 && has_degrees([&] { outputs = UgsModel::run(inputs); })) {
    return outputs;
  }
  set_scalar("halted", 1);
  {
    const at::NoGradGuard no_grad;
    at::Tensor(masks().edge_soft).copy_(masks().edge_hard);
  }
  return UgsModel::run(inputs);
}

bool SearchModel::can_run_ahead(const Place& at) const {
  // Batch norms differ in training, and a link's forward draws a permutation.
  const bool is_same_forward = config().model != "resgcn" && !config().is_link_prediction();
  const bool is_without_dropout = config().dropout_schedule != "always" || config().dropout == 0;
  return is_same_forward && is_without_dropout && at.epoch + 1 < at.phase_epochs;
}

std::vector<std::pair<const void*, int64_t>> SearchModel::state_of() {
  std::vector<std::pair<const void*, int64_t>> state;
  const auto add = [&](const at::Tensor& tensor) {
    state.emplace_back(tensor.const_data_ptr(), tensor._version());
  };
  for (const at::Tensor& tensor : network().parameters()) add(tensor);
  for (const at::Tensor& tensor : network().buffers()) add(tensor);
  for (const auto& [name, tensor] : batch_) add(tensor);
  return state;
}

TensorMap SearchModel::take_ahead(const TensorMap& inputs) {
  const Ahead ahead = std::exchange(ahead_, {});
  bool holds = !ahead.outputs.empty() && at::GradMode::is_enabled() && ahead.state == state_of() &&
               !at::autocast::is_autocast_enabled(batch_.begin()->second.device().type()) &&
               inputs.size() == batch_.size();
  for (const auto& [name, tensor] : inputs) holds = holds && tensor.is_same(batch_.get(name));
  return holds ? ahead.outputs : TensorMap();
}

void SearchModel::constrain() {
  if (batch_.empty()) return;
  const at::NoGradGuard no_grad;
  const Place at = place(updates());
  const bool runs_ahead = can_run_ahead(at);
  TensorMap inputs = batch_;
  if (!runs_ahead) {
    eval();
    for (const char* unneeded : {"permutation", "labels"}) inputs.erase(unneeded);
  }
  TensorMap outputs;
  const bool is_scored = !(at.trains_masks && scalar("halted") != 0) && has_degrees([&] {
    const at::AutoGradMode grad(runs_ahead);
    is_ahead_ = runs_ahead;
    const auto end = c10::make_scope_exit([&] { is_ahead_ = false; });
    outputs = UgsModel::run(inputs);
  });
  train();
  if (runs_ahead && is_scored) ahead_ = {.outputs = outputs, .state = state_of()};
  const char* output = config().is_link_prediction() ? "embedding"
                       : outputs.contains("logits")  ? "logits"
                                                     : "log_probs";
  const double validation = is_scored ? score(outputs.at(output), "val") : -1;
  if (validation > scalar("validation")) {
    // As stored, so that a run that goes on from a checkpoint compares the same numbers.
    set_scalar("validation", validation);
    if (at.trains_masks) {
      keep_masks();
    } else {
      set_scalar("ticket_validation", validation);
      set_scalar("ticket_test", score(outputs.at(output), "test"));
      store("ticket", trained());
    }
  }
  at::Tensor(stored("search").at("updates")).add_(1);
  ends_phase_ = at.epoch + 1 == at.phase_epochs;
  if (!ends_phase_ || at.trains_masks) return;
  copy_weights(stored("ticket"));
  if (config().search == "one_shot" && at.round == 0) store("whole", trained());
}

void SearchModel::report(TensorMap& outputs) const {
  const Masks it = masks();
  std::vector<at::Tensor> hard;
  for (const MaskedWeight& weight : it.weights) hard.push_back(weight.hard);
  const double edges = it.edge_hard.defined() ? share_left({it.edge_hard}) : 100;
  const int64_t length = config().search == "ugs" ? config().mask_epochs + config().retrain_epochs
                                                  : config().retrain_epochs;
  const int64_t nodes = config().num_nodes;
  const auto add = [&](const char* name, double value) {
    outputs.set(std::string("search/") + name, at::scalar_tensor(value, at::kDouble));
  };
  add("round", static_cast<double>(updates() / length));
  add("edges_left", edges);
  add("weights_left", share_left(hard));
  add("macs", static_cast<double>(const_cast<SearchModel*>(this)->network().macs(nodes)) / 1e6);
  add("validation", scalar("ticket_validation"));
  add("test", scalar("ticket_test"));
}

std::shared_ptr<UgsModel> make_model(const UgsConfig& config) {
  if (config.search != "none" && config.search != "masks") {
    return std::make_shared<SearchModel>(config);
  }
  auto model = std::make_shared<UgsModel>(config);
  model->set_masks_trained(config.search == "masks");
  return model;
}

}  // namespace tessera::ugs
