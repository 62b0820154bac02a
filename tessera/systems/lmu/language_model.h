#pragma once

#include <torch/nn/modules/embedding.h>
#include <torch/nn/modules/linear.h>
#include <torch/nn/modules/normalization.h>

#include <memory>
#include <vector>

#include "tessera/systems/lmu/config.h"
#include "tessera/systems/lmu/parallel_layer.h"
#include "tessera/systems/model.h"

namespace tessera::lmu {

/// One block of the language model, a memory for each of its `hidden_dim` channels. x (B, T, D):
///   x ← x + LMU(norm x)        x ← x + W_2 gelu(W_1 (norm x) + b_1) + b_2
/// This composition is Tessera's; the paper describes its own in words only.
class LanguageBlock : public torch::nn::Module {
 public:
  explicit LanguageBlock(const LmuConfig& config);
  LayerResult forward(const at::Tensor& x, const State& state);

 private:
  double dropout_;
  torch::nn::LayerNorm norm_memory_{nullptr}, norm_dense_{nullptr};
  std::shared_ptr<ParallelLayer> memory_;
  torch::nn::Linear widen_{nullptr}, narrow_{nullptr};
};

/// Tokens to the logits of the next token at every step: an embedding, num_layers blocks, a norm
/// and a read-out. Causal, and a stream: what is carried are the memories alone.
///
/// run: x (B, T) int64; m0 (L, B, D·N), the memories before the first step.
///   logits (B, T, vocab_size), m_n (L, B, D·N)
class LanguageModel : public Model {
 public:
  explicit LanguageModel(const LmuConfig& config);
  TensorMap run(const TensorMap& inputs) override;

 private:
  LmuConfig config_;
  torch::nn::Embedding embedding_{nullptr};
  std::vector<std::shared_ptr<LanguageBlock>> blocks_;
  torch::nn::LayerNorm norm_{nullptr};
  torch::nn::Linear classifier_{nullptr};
};

/// x must be int64 (B, T) of a vocabulary of `vocab_size`, with at least one sequence and step.
void check_tokens(const at::Tensor& x, int64_t vocab_size);

}  // namespace tessera::lmu
