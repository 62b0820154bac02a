#pragma once

#include <torch/types.h>

#include "tessera/core/rng.h"
#include "tessera/systems/unicornn/model.h"

// Models of chosen settings for this folder's tests.

namespace tessera::unicornn::testing {

inline UnicornnConfig config_of(const Json& values) {
  UnicornnConfig config;
  read_config(config, values, "model");
  return config;
}

/// Small, time-major, with all layers' outputs and states returned, in double.
inline Json small(Json more = Json::object()) {
  Json values = {{"input_dim", 3},      {"hidden_dim", 7},          {"num_layers", 3},
                 {"num_classes", 4},    {"dt", {0.2, 0.3, 0.15}},   {"alpha", 5.0},
                 {"dropout", 0.0},      {"return_sequences", true}, {"return_state", true},
                 {"batch_first", false}};
  values.update(more);
  return values;
}

inline std::shared_ptr<Model> model_of(const Json& values, at::ScalarType dtype = at::kDouble,
                                       uint64_t seed = 1) {
  seed_default_generators(seed);
  const auto model = make_model(config_of(values));
  model->to(dtype);
  return model;
}

inline at::Tensor draw(at::IntArrayRef sizes, uint64_t seed = 1,
                       at::ScalarType dtype = at::kDouble) {
  return torch::randn(sizes, at::detail::createCPUGenerator(seed), at::kDouble).to(dtype);
}

}  // namespace tessera::unicornn::testing
