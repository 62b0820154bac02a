#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tessera/core/config.h"

namespace tessera::lmu {

/// Every variant of the Legendre Memory Unit, and its baselines, in one flat configuration: a key
/// that a variant does not use is accepted and ignored.
///
/// Some defaults follow the variant, as the sources differ: a key that is absent takes them.
struct LmuConfig : Config {
  std::string architecture = "lmu";
  std::string variant = "parallel";
  std::string layout = "native";
  int64_t input_dim = 1;
  int64_t hidden_dim = 64;
  int64_t memory_dim = 1;
  int64_t order = 16;
  double theta = 64;
  std::optional<int64_t> max_len;
  std::string discretizer = "zoh";
  bool trainable_theta = false;
  bool learn_a = false;
  bool learn_b = false;
  bool learn_gate = true;
  std::string hidden_cell = "dense";
  std::string hidden_activation = "relu";
  std::string encoder_activation = "relu";
  std::string gate_activation = "linear";
  bool hidden_to_memory = false;
  bool memory_to_memory = false;
  bool input_to_hidden = true;
  bool input_kernel = true;
  bool use_bias = true;
  bool hidden_bias = false;
  double dropout = 0;
  double recurrent_dropout = 0;
  bool return_sequences = false;
  std::string mode = "auto";
  std::optional<double> truncate_ir;
  std::optional<int64_t> num_classes;
  std::optional<int64_t> output_dim;
  int64_t num_layers = 1;
  std::string init = "default";

  // Tokens and the heads of the text tasks.
  std::optional<int64_t> vocab_size;
  std::optional<int64_t> pad_id;
  int64_t embed_dim = 300;
  bool freeze_embedding = false;
  int64_t dense_dim = 0;

  void fields(FieldList& list) override;
  void choose_defaults(const Json& given) override;
  void validate() const override;

  /// Outputs of the head, where there is one.
  std::optional<int64_t> head_dim() const { return num_classes ? num_classes : output_dim; }
  /// Nothing flows from m or h back into the memory: all steps can be computed at once.
  bool is_feedforward() const;
};

}  // namespace tessera::lmu
