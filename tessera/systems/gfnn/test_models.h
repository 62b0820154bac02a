#pragma once

#include <torch/types.h>

#include "tessera/core/rng.h"
#include "tessera/systems/gfnn/grid_network.h"
#include "tessera/systems/gfnn/model.h"

// Models of chosen settings for this folder's tests.

namespace tessera::gfnn::testing {

inline GfnnConfig config_of(const Json& values) {
  GfnnConfig config;
  read_config(config, values, "model");
  return config;
}

/// 3-6-5-2 on a grid of 5 × 4 nodes, the second axis periodic, over [-1, 1] × [0, 2].
inline Json small(Json more = Json::object()) {
  Json values = {{"in_dim", 3},
                 {"out_dim", 2},
                 {"hidden_dims", {6, 5}},
                 {"grid_sizes", {5, 4}},
                 {"grid_low", {-1, 0}},
                 {"grid_high", {1, 2}},
                 {"grid_periodic", {false, true}}};
  values.update(more);
  return values;
}

/// Biases are drawn too: those of a fresh model are 0.
inline void draw_biases(torch::nn::Module& model) {
  const at::NoGradGuard no_grad;
  auto generator = at::detail::createCPUGenerator(5);
  for (const auto& item : model.named_parameters()) {
    if (item.key().ends_with("bias")) item.value().normal_(0, 0.3, generator);
  }
}

inline std::shared_ptr<Model> model_of(const Json& values, at::ScalarType dtype = at::kDouble,
                                       uint64_t seed = 1) {
  seed_default_generators(seed);
  const auto model = make_model(config_of(values));
  draw_biases(*model);
  model->to(dtype);
  return model;
}

inline std::shared_ptr<GridNetwork> grid_of(const Json& values,
                                            at::ScalarType dtype = at::kDouble) {
  return std::dynamic_pointer_cast<GridNetwork>(model_of(values, dtype));
}

inline at::Tensor draw(at::IntArrayRef sizes, uint64_t seed = 1,
                       at::ScalarType dtype = at::kDouble) {
  return torch::randn(sizes, at::detail::createCPUGenerator(seed), at::kDouble).to(dtype);
}

/// Coordinates in [low, high), one column each axis.
inline at::Tensor coordinates(int64_t batch, const ops::Grid& grid, uint64_t seed = 2) {
  const at::Tensor u = torch::rand({batch, static_cast<int64_t>(grid.axes.size())},
                                   at::detail::createCPUGenerator(seed), at::kDouble);
  std::vector<at::Tensor> columns;
  for (size_t k = 0; k < grid.axes.size(); ++k) {
    const ops::GridAxis& axis = grid.axes[k];
    columns.push_back(axis.low + (axis.high - axis.low) * u.select(1, static_cast<int64_t>(k)));
  }
  return at::stack(columns, 1);
}

inline double distance(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

}  // namespace tessera::gfnn::testing
