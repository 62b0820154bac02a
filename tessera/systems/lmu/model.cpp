#include "tessera/systems/lmu/model.h"

#include <torch/types.h>

#include "tessera/core/error.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/product.h"
#include "tessera/systems/lmu/language_model.h"
#include "tessera/systems/lmu/lstm_layer.h"
#include "tessera/systems/sequence_model.h"

namespace tessera::lmu {
namespace {

[[noreturn]] void refuse(const std::string& rule, const at::Tensor& got, const char* next,
                         const char* id) {
  fail<InvalidArgument>(
      {.where = "lmu", .rule = rule, .got = ops::describe(got), .next = next, .id = id});
}

}  // namespace

LmuModel::LmuModel(const LmuConfig& config) : config_(config) {
  int64_t width = config.input_dim;
  if (config.vocab_size) {
    embedding_ =
        register_module("embedding", torch::nn::Embedding(*config.vocab_size, config.embed_dim));
    embedding_->weight.set_requires_grad(!config.freeze_embedding);
    if (config.pad_id) {
      const at::NoGradGuard no_grad;
      embedding_->weight[*config.pad_id].zero_();
    }
    width = config.embed_dim;
  }
  auto list = register_module("layers", torch::nn::ModuleList());
  for (int64_t l = 0; l < config.num_layers; ++l) {
    const bool is_lstm = config.architecture == "hybrid" && l % 2 == 1;
    layers_.push_back(is_lstm ? std::make_shared<LstmLayer>(config, width)
                              : make_layer(config, width));
    list->push_back(layers_.back());
    width = layers_.back()->output_dim();
  }
  if (!config.head_dim()) return;
  if (config.dense_dim > 0) {
    dense_ = register_module("dense", torch::nn::Linear(width, config.dense_dim));
    width = config.dense_dim;
  }
  classifier_ = register_module("classifier", torch::nn::Linear(width, *config.head_dim()));
}

void LmuModel::constrain() {
  for (const auto& layer : layers_) layer->constrain();
}

at::Tensor LmuModel::embedded(const at::Tensor& x) const {
  if (embedding_) {
    check_tokens(x, *config_.vocab_size);
    return at::embedding(embedding_->weight, x, config_.pad_id.value_or(-1));
  }
  if (!x.is_floating_point() || x.dim() != 3) {
    refuse("x must be floating of shape (B, T, " + std::to_string(config_.input_dim) + ")", x,
           "Set model.vocab_size for tokens.", "T-LMU-13");
  }
  if (x.size(0) == 0 || x.size(1) == 0) {
    refuse("a batch needs at least one sequence and one step", x, "", "T-LMU-14");
  }
  if (x.size(2) != config_.input_dim) {
    refuse("x must have input_dim = " + std::to_string(config_.input_dim) + " columns", x, "",
           "T-LMU-15");
  }
  return x;
}

LmuModel::Result LmuModel::forward(const at::Tensor& x, const States& states) {
  at::Tensor sequence = embedded(x);
  Result result;
  for (size_t l = 0; l < layers_.size(); ++l) {
    const bool is_last = l + 1 == layers_.size();
    const bool every_step = !is_last || config_.return_sequences;
    LayerResult out =
        layers_[l]->forward(sequence, l < states.size() ? states[l] : State{}, every_step);
    sequence = every_step ? out.outputs : out.last;
    result.states.push_back(std::move(out.state));
  }
  result.hidden = sequence;
  if (!classifier_) return result;
  if (dense_) sequence = at::relu(ops::affine(sequence, dense_->weight, dense_->bias));
  if (config_.variant == "parallel") {
    sequence = at::dropout(sequence, config_.dropout, is_training());
  }
  result.head = ops::affine(sequence, classifier_->weight, classifier_->bias);
  return result;
}

TensorMap LmuModel::run(const TensorMap& inputs) {
  States states(layers_.size());
  if (layers_.size() == 1) states[0] = {.h = inputs.get("h0"), .m = inputs.get("m0")};
  const Result result = forward(inputs.at("x"), states);
  TensorMap outputs;
  if (config_.num_classes) {
    outputs.set("logits", result.head);
  } else if (config_.output_dim) {
    outputs.set("prediction", result.head);
    if (const at::Tensor* target = inputs.find("target")) {
      outputs.set("mse", at::mse_loss(result.head, *target).view({1}));
    }
  } else {
    outputs.set("output", result.hidden);
    if (config_.variant == "parallel" && config_.return_sequences) {
      outputs.set("h", result.hidden);
    }
  }
  const State& last = result.states.back();
  const auto add = [&](const char* name, const at::Tensor& value) {
    if (value.defined()) outputs.set(name, value);
  };
  add("h_n", last.h);
  add("c_n", last.c);
  add("m_n", last.m);
  return outputs;
}

std::shared_ptr<Model> make_model(const LmuConfig& config) {
  if (config.architecture == "language") return std::make_shared<LanguageModel>(config);
  if (config.architecture == "lmu" || config.architecture == "hybrid") {
    return std::make_shared<LmuModel>(config);
  }
  return std::make_shared<SequenceBaselineModel>(
      nn::SequenceBaselineOptions{.kind = config.architecture,
                                  .input_dim = config.input_dim,
                                  .hidden_dim = config.hidden_dim,
                                  .num_layers = config.num_layers,
                                  .output_dim = config.head_dim().value_or(1),
                                  .vocab_size = config.vocab_size,
                                  .embed_dim = config.embed_dim,
                                  .dropout = config.dropout,
                                  .return_sequences = config.return_sequences},
      /*batch_first=*/true, config.num_classes ? "logits" : "prediction");
}

}  // namespace tessera::lmu
