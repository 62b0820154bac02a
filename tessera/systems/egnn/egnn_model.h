#pragma once

#include <memory>
#include <vector>

#include "tessera/systems/edge_weights.h"
#include "tessera/systems/egnn/egcl_layer.h"

namespace tessera::egnn {

/// `egnn`: the authors' later, general network. Embedding, layers, read-out of the features.
class Egnn : public Model, public TakesEdgeWeights {
 public:
  explicit Egnn(const EgnnConfig& config);

  /// h: (N, node_in_dim), x: (N, coord_dim).  returns h (N, node_out_dim) and x (N, coord_dim)
  Nodes forward(const at::Tensor& h, const at::Tensor& x, const Graph& graph) const;
  /// h, x, edge_index, edge_attr → h, x.
  TensorMap run(const TensorMap& inputs) override;

 private:
  EgnnConfig config_;
  torch::nn::Linear embedding_in_, embedding_out_;
  std::vector<std::shared_ptr<Egcl>> layers_;
};

/// `egnn_vel` and `egnn_nbody`: the networks of the n-body experiment (sections 3.2 and 5.1), with
/// and without an initial velocity. They return positions; the last layer's node_mlp is not used.
class EgnnDynamics : public Model, public TakesEdgeWeights {
 public:
  explicit EgnnDynamics(const EgnnConfig& config);

  /// h: (N, node_in_dim), the speed ‖v‖ in the paper; x, vel: (N, coord_dim).  returns x
  at::Tensor forward(const at::Tensor& h, const at::Tensor& x, const Graph& graph,
                     const at::Tensor& vel = {}) const;
  /// h, x, vel, edge_index, edge_attr → x.
  TensorMap run(const TensorMap& inputs) override;

 private:
  EgnnConfig config_;
  torch::nn::Linear embedding_;
  std::vector<std::shared_ptr<Egcl>> layers_;
};

}  // namespace tessera::egnn
