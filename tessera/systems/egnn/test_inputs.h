#pragma once

// Random models and batches for this folder's tests.

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "tessera/systems/egnn/config.h"
#include "tessera/systems/egnn/graph.h"
#include "tessera/systems/egnn/model.h"

namespace tessera::egnn::testing {

/// A model whose parameters are all far from zero. At their own initialisation coordinates hardly
/// move, and a wrong coordinate update would hide below every tolerance.
inline std::shared_ptr<Model> random_model(const EgnnConfig& config, at::ScalarType dtype,
                                           uint64_t seed = 1) {
  at::manual_seed(seed);
  auto model = make_model(config);
  model->to(dtype);
  const at::NoGradGuard no_grad;
  const double bound = config.architecture.ends_with("_ae") ? 0.15 : 0.3;
  for (at::Tensor& parameter : model->parameters()) parameter.uniform_(-bound, bound);
  return model;
}

/// Complete graphs of the given sizes, one after the other.
inline at::Tensor complete_graphs(const std::vector<int64_t>& sizes) {
  std::vector<at::Tensor> parts;
  int64_t first = 0;
  for (int64_t size : sizes) {
    parts.push_back(complete_edges(size) + first);
    first += size;
  }
  return at::cat(parts, 1);
}

/// Random h, x, vel and edge_attr of a configuration's widths on the given edges.
inline TensorMap random_inputs(const EgnnConfig& config, int64_t num_nodes,
                               const at::Tensor& edge_index, at::ScalarType dtype,
                               uint64_t seed = 2) {
  at::manual_seed(seed);
  const auto draw = [&](int64_t rows, int64_t width) {
    return at::randn({rows, width}, at::kDouble).to(dtype);
  };
  const bool is_radial_field = config.architecture == "radial_field_vel";
  TensorMap inputs{{"h", draw(num_nodes, is_radial_field ? 1 : config.node_in_dim)},
                   {"x", draw(num_nodes, config.coord_dim)},
                   {"vel", draw(num_nodes, config.coord_dim)},
                   {"edge_index", edge_index}};
  if (config.edge_in_dim > 0) {
    inputs.set("edge_attr", draw(edge_index.size(1), config.edge_in_dim));
  }
  return inputs;
}

/// A random orthogonal matrix of the given determinant, ±1.
inline at::Tensor random_orthogonal(int64_t n, int determinant, at::ScalarType dtype) {
  at::Tensor q = std::get<0>(at::linalg_qr(at::randn({n, n}, at::kDouble)));
  if (at::linalg_det(q).item<double>() * determinant < 0) q.select(1, 0).neg_();
  return q.to(dtype);
}

/// A copy of `inputs` with one entry replaced.
inline TensorMap with(TensorMap inputs, const std::string& name, const at::Tensor& tensor) {
  inputs.set(name, tensor);
  return inputs;
}

/// max |a - b| / (1 + max |b|).
inline double relative_error(const at::Tensor& a, const at::Tensor& b) {
  if (a.sizes() != b.sizes()) return std::numeric_limits<double>::infinity();
  if (a.numel() == 0) return 0;
  const double scale = 1 + b.abs().max().item<double>();
  return (a - b).abs().max().item<double>() / scale;
}

}  // namespace tessera::egnn::testing
