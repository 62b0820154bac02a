#pragma once

#include <memory>
#include <vector>

#include "tessera/systems/edge_weights.h"
#include "tessera/systems/egnn/graph.h"
#include "tessera/systems/egnn/perceptron.h"
#include "tessera/systems/model.h"

namespace tessera::egnn {

/// Plain message passing, the paper's GNN baseline (section 3, eq. 2): Egcl without coordinates.
///   m_ij = φ_e(h_i, h_j, a_ij) · σ(φ_inf(|h_i - h_j|))     h_i' = φ_h(h_i, Σ_j m_ij) (+ h_i)
/// The gate (attention) reads the difference of features, unlike Egcl's, which reads the message.
class GnnLayer : public torch::nn::Module {
 public:
  struct Config {
    int64_t in_dim, out_dim, dim, edge_dim;
    bool residual, attention;
    ops::Activation activation;
  };
  explicit GnnLayer(const Config& config);

  at::Tensor forward(const at::Tensor& h, const Graph& graph) const;

 private:
  Config config_;
  std::shared_ptr<Perceptron> edge_mlp_, att_mlp_, node_mlp_;
};

/// `gnn`: reads positions and velocities as features, returns positions; not equivariant.
class Gnn : public Model, public TakesEdgeWeights {
 public:
  explicit Gnn(const EgnnConfig& config);

  /// h: (N, node_in_dim), [x, v] in the paper.  returns (N, node_out_dim)
  at::Tensor forward(const at::Tensor& h, const Graph& graph) const;
  /// h, edge_index, edge_attr → x.
  TensorMap run(const TensorMap& inputs) override;

 private:
  EgnnConfig config_;
  std::vector<std::shared_ptr<GnnLayer>> layers_;
  std::shared_ptr<Perceptron> decoder_;
  std::shared_ptr<Single> embedding_;
};

}  // namespace tessera::egnn
