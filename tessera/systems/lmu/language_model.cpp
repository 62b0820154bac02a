#include "tessera/systems/lmu/language_model.h"

#include <ATen/ATen.h>
#include <torch/nn/modules/container/modulelist.h>

#include "tessera/core/error.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/product.h"

namespace tessera::lmu {
namespace {

/// A memory as wide as the block.
LmuConfig of_block(LmuConfig config) {
  config.memory_dim = config.hidden_dim;
  config.variant = "parallel";
  return config;
}

torch::nn::LayerNorm layer_norm(int64_t width) {
  return torch::nn::LayerNorm(torch::nn::LayerNormOptions({width}));
}

}  // namespace

void check_tokens(const at::Tensor& x, int64_t vocab_size) {
  const auto refuse = [](const std::string& rule, const std::string& got, const char* next,
                         const char* id) {
    fail<InvalidArgument>({.where = "lmu", .rule = rule, .got = got, .next = next, .id = id});
  };
  if (x.scalar_type() != at::kLong || x.dim() != 2) {
    refuse("x must be int64 tokens of shape (B, T) with vocab_size", ops::describe(x), "",
           "T-LMU-11");
  }
  if (x.numel() == 0) {
    refuse("a batch needs at least one sequence and one step", ops::describe(x), "", "T-LMU-14");
  }
  const auto [least, most] = at::aminmax(x);
  const int64_t low = least.item<int64_t>(), high = most.item<int64_t>();
  if (low >= 0 && high < vocab_size) return;
  refuse("tokens must lie in [0, " + std::to_string(vocab_size) + ")",
         std::to_string(low < 0 ? low : high),
         "Raise model.vocab_size or read the text with this vocabulary.", "T-LMU-12");
}

LanguageBlock::LanguageBlock(const LmuConfig& config) : dropout_(config.dropout) {
  const int64_t width = config.hidden_dim,
                wide = config.dense_dim > 0 ? config.dense_dim : 4 * width;
  norm_memory_ = register_module("norm_memory", layer_norm(width));
  memory_ = register_module("memory", std::make_shared<ParallelLayer>(of_block(config), width));
  norm_dense_ = register_module("norm_dense", layer_norm(width));
  widen_ = register_module("widen", torch::nn::Linear(width, wide));
  narrow_ = register_module("narrow", torch::nn::Linear(wide, width));
}

LayerResult LanguageBlock::forward(const at::Tensor& x, const State& state) {
  LayerResult result = memory_->forward(norm_memory_(x), state, /*every_step=*/true);
  const at::Tensor mixed = x + at::dropout(result.outputs, dropout_, is_training());
  const at::Tensor wide = at::gelu(ops::affine(norm_dense_(mixed), widen_->weight, widen_->bias));
  const at::Tensor narrow = ops::affine(wide, narrow_->weight, narrow_->bias);
  result.outputs = mixed + at::dropout(narrow, dropout_, is_training());
  return result;
}

LanguageModel::LanguageModel(const LmuConfig& config) : config_(config) {
  const int64_t vocabulary = config.vocab_size.value(), width = config.hidden_dim;
  embedding_ = register_module("embedding", torch::nn::Embedding(vocabulary, width));
  auto list = register_module("blocks", torch::nn::ModuleList());
  for (int64_t l = 0; l < config.num_layers; ++l) {
    blocks_.push_back(std::make_shared<LanguageBlock>(config));
    list->push_back(blocks_.back());
  }
  norm_ = register_module("norm", layer_norm(width));
  classifier_ = register_module("classifier", torch::nn::Linear(width, vocabulary));
}

TensorMap LanguageModel::run(const TensorMap& inputs) {
  const at::Tensor& tokens = inputs.at("x");
  check_tokens(tokens, *config_.vocab_size);
  const at::Tensor start = inputs.get("m0");
  const std::vector<int64_t> expected = {config_.num_layers, tokens.size(0),
                                         config_.hidden_dim * config_.order};
  if (start.defined() && start.sizes() != at::IntArrayRef(expected)) {
    fail<InvalidArgument>({.where = "lmu",
                           .rule = "m0 must be " + c10::str(at::IntArrayRef(expected)),
                           .got = ops::describe(start),
                           .id = "T-LMU-18"});
  }
  at::Tensor x =
      at::dropout(at::embedding(embedding_->weight, tokens), config_.dropout, is_training());
  std::vector<at::Tensor> memories;
  for (size_t l = 0; l < blocks_.size(); ++l) {
    State state;
    if (start.defined()) state.m = start[static_cast<int64_t>(l)];
    const LayerResult out = blocks_[l]->forward(x, state);
    x = out.outputs;
    memories.push_back(out.state.m);
  }
  return {{"logits", ops::affine(norm_(x), classifier_->weight, classifier_->bias)},
          {"m_n", at::stack(memories)}};
}

}  // namespace tessera::lmu
