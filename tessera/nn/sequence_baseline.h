#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace tessera::nn {

/// The networks that papers on long sequences compare with, as one value.
struct SequenceBaselineOptions {
  std::string kind = "lstm";  ///< one of sequence_baseline_kinds()
  int64_t input_dim = 1;      ///< of floating inputs; linear: T·D, the flattened sequence
  int64_t hidden_dim = 128;
  int64_t num_layers = 1;
  int64_t output_dim = 10;
  std::optional<int64_t> vocab_size;  ///< inputs are tokens, embedded by a table (vocab, embed_dim)
  int64_t embed_dim = 100;
  double dropout = 0;  ///< after every layer, in training
  bool return_sequences = false;
  double dt = 0.042, gamma = 2.7, epsilon = 4.7;  ///< cornn
};

/// lstm, gru, rnn, cornn, indrnn, linear.
const std::vector<std::string>& sequence_baseline_kinds();

/// Layers of one kind, then a linear readout of the last step (or of every step). Names of
/// parameters: embedding.weight; layers.L.* ; classifier.weight, classifier.bias.
///
/// lstm, gru, rnn (tanh) are ATen's, initialised as torch initialises them. cornn and indrnn:
///   coRNN   z ← z + dt·(tanh(W [x, z, y] + b) − γ y − ε z),  y ← y + dt z   (output y)
///   IndRNN  h ← relu(W x + b + u ⊙ h)
/// linear: one affine map of the flattened input, without state.
class SequenceBaseline : public torch::nn::Module {
 public:
  /// x: (B, T, input_dim) floating, or (B, T) int64 tokens where vocab_size is set. lengths: (B)
  /// int64, the steps of each sequence that count (its last output is at lengths−1); undefined:
  /// all T. Returns (B, output_dim), or (B, T, output_dim) with return_sequences.
  /// Throws InvalidArgument: shape, dtype, a token outside the vocabulary, lengths outside 1..T.
  virtual at::Tensor forward(const at::Tensor& x, const at::Tensor& lengths = {}) = 0;
};

/// Throws InvalidArgument on an unknown kind, sizes below 1, dropout outside [0, 1), dt ≤ 0,
/// return_sequences of a linear one.
std::shared_ptr<SequenceBaseline> make_sequence_baseline(const SequenceBaselineOptions& options);

}  // namespace tessera::nn
