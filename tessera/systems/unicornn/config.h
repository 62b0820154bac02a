#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tessera/core/config.h"

namespace tessera::unicornn {

/// UnICORNN and its baselines in one flat configuration: a key that an architecture does not use is
/// accepted and ignored.
struct UnicornnConfig : Config {
  std::string architecture = "unicornn";
  std::string scope = "model";
  int64_t input_dim = 1;
  int64_t hidden_dim = 128;
  int64_t num_layers = 3;
  int64_t num_classes = 10;
  Json dt = 0.1;  ///< a number for all layers, or a list of one for each
  double alpha = 0;
  double dropout = 0.1;
  double embed_dropout = 0.1;
  std::optional<int64_t> vocab_size;
  int64_t embed_dim = 100;
  std::optional<int64_t> pad_id;
  std::string residual = "none";
  int64_t residual_skip = 1;
  std::string backward = "reconstruct";
  bool batch_first = true;
  bool return_sequences = false;
  bool return_state = false;
  std::optional<int64_t> max_len;
  double gamma = 2.7;
  double epsilon = 4.7;
  std::string task;

  void fields(FieldList& list) override;
  void validate() const override;

  /// dt of each layer.
  std::vector<double> steps() const;
};

}  // namespace tessera::unicornn
