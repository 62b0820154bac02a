#include "tessera/systems/ugs/case_trace.h"

#include <torch/optim/adam.h>
#include <torch/types.h>

#include "tessera/systems/ugs/case_forward.h"
#include "tessera/systems/ugs/config.h"

namespace tessera::ugs {
namespace {

/// One trace as it runs: the model, its soft and hard masks, its first weights.
class Trace {
 public:
  Trace(const Json& values, const TensorMap& inputs)
      : train_(values.value("train", Json::object())),
        config_(config_of(values)),
        inputs_(inputs),
        model_(case_model(config_, inputs.with_prefix("weight/"), inputs.at("x").scalar_type())) {
    for (const auto& item : model_->named_parameters()) {
      if (!item.key().ends_with("_mask_train")) {
        first_.emplace_back(item.value(), item.value().detach().clone());
      }
    }
    const at::Tensor& edges = inputs_.at("edge_index");
    edge_soft_ = at::ones({edges.size(1)}, inputs.at("x").options()).requires_grad_();
    edge_hard_ = at::ones({edges.size(1)}, inputs.at("x").options());
  }

  TensorMap run() {
    TensorMap outputs;
    for (int64_t round = 0; round < config_.num_rounds; ++round) {
      const std::string suffix = "_round" + std::to_string(round);
      rewind();
      start_masks(suffix);
      outputs.set("mask_losses" + suffix, train(config_.mask_epochs, true));
      prune_round(suffix, outputs);
      rewind();
      outputs.set("retrain_losses" + suffix, train(config_.retrain_epochs, false));
    }
    for (const auto& item : model_->named_parameters()) {
      if (item.key().ends_with("_mask_train")) continue;
      outputs.set("final_weight/" + case_name(item.key(), inputs_.with_prefix("weight/")),
                  item.value().detach().clone());
    }
    outputs.set("final_logits", logits().detach());
    return outputs;
  }

 private:
  static UgsConfig config_of(const Json& values) {
    Json own = values;
    own.erase("train");
    return UgsConfig::of(own);
  }

  double number(const char* key, double otherwise) const {
    return train_.contains(key) && train_[key].is_number() ? train_[key].get<double>() : otherwise;
  }

  const std::vector<MaskedWeight>& weights() { return model_->network().masked_weights(); }

  void rewind() {
    const at::NoGradGuard no_grad;
    for (const auto& [parameter, value] : first_) at::Tensor(parameter).copy_(value);
  }

  void start(const at::Tensor& soft, const at::Tensor& hard, const std::string& noise) {
    const at::NoGradGuard no_grad;
    const at::Tensor* drawn = inputs_.find(noise);
    at::Tensor(soft).copy_(drawn ? hard + drawn->reshape(hard.sizes()) * hard : hard);
  }

  void start_masks(const std::string& suffix) {
    start(edge_soft_, edge_hard_, "noise_edge" + suffix);
    for (size_t i = 0; i < weights().size(); ++i) {
      start(weights()[i].soft, weights()[i].hard,
            "noise_weight" + suffix + "_" + std::to_string(i));
    }
  }

  at::Tensor logits() {
    TensorMap given = inputs_;
    given.set("edge_mask_train", edge_soft_);
    given.set("edge_mask_fixed", edge_hard_);
    const TensorMap outputs = model_->run(given);
    const at::Tensor* found = outputs.find("logits");
    return found ? *found : outputs.at("log_probs");
  }

  /// Full-batch Adam; returns the loss before each step.
  at::Tensor train(int64_t epochs, bool trains_masks) {
    std::vector<at::Tensor> parameters;
    for (const auto& [parameter, value] : first_) parameters.push_back(parameter);
    std::vector<std::pair<at::Tensor, double>> soft = {{edge_soft_, config_.graph_l1}};
    for (const MaskedWeight& weight : weights()) soft.emplace_back(weight.soft, config_.weight_l1);
    for (const auto& [mask, rate] : soft) {
      at::Tensor(mask).requires_grad_(trains_masks);
      if (trains_masks) parameters.push_back(mask);
    }
    torch::optim::Adam adam(parameters,
                            torch::optim::AdamOptions(number("lr", config_.lr))
                                .weight_decay(number("weight_decay", config_.weight_decay))
                                .eps(number("eps", 1e-8)));
    std::vector<at::Tensor> losses;
    for (int64_t epoch = 0; epoch < epochs; ++epoch) {
      adam.zero_grad();
      const at::Tensor loss =
          cross_entropy(logits(), inputs_.at("labels"), inputs_.at("train_idx"));
      loss.backward();
      if (trains_masks) {
        const at::NoGradGuard no_grad;
        for (const auto& [mask, rate] : soft) {
          at::Tensor(mask).mutable_grad().add_(l1_subgradient(mask, rate));
        }
      }
      adam.step();
      losses.push_back(loss.detach());
    }
    return at::stack(losses);
  }

  void prune_round(const std::string& suffix, TensorMap& outputs) {
    const at::NoGradGuard no_grad;
    std::vector<at::Tensor> soft;
    for (const MaskedWeight& weight : weights()) soft.push_back(weight.soft);
    const Pruning graph = prune({edge_soft_}, config_.graph_prune_rate);
    // As the noise came: (E), or the authors' (E, 1).
    const at::Tensor* drawn = inputs_.find("noise_edge" + suffix);
    const at::IntArrayRef shape = drawn ? drawn->sizes() : edge_soft_.sizes();
    outputs.set("soft_edge_mask" + suffix, edge_soft_.detach().clone().view(shape));
    outputs.set("edge_mask" + suffix, graph.keep[0].view(shape));
    edge_hard_.copy_(graph.keep[0]);
    edge_soft_.copy_(edge_hard_);
    if (soft.empty()) return;
    const Pruning network = prune(soft, config_.weight_prune_rate);
    for (size_t i = 0; i < soft.size(); ++i) {
      const std::string name = suffix + "_" + std::to_string(i);
      outputs.set("soft_weight_mask" + name, soft[i].detach().clone());
      outputs.set("weight_mask" + name, network.keep[i].to(at::kByte));
      at::Tensor(weights()[i].hard).copy_(network.keep[i]);
      soft[i].copy_(network.keep[i]);
    }
  }

  const Json train_;
  const UgsConfig config_;
  const TensorMap inputs_;
  std::shared_ptr<UgsModel> model_;
  std::vector<std::pair<at::Tensor, at::Tensor>> first_;  ///< weights and their first values
  at::Tensor edge_soft_, edge_hard_;
};

}  // namespace

TensorMap run_trace_case(const Json& config, const TensorMap& inputs) {
  return Trace(config, inputs).run();
}

}  // namespace tessera::ugs
