#pragma once

#include <memory>

#include "tessera/ops/egcl.h"
#include "tessera/systems/edge_weights.h"
#include "tessera/systems/egnn/config.h"
#include "tessera/systems/egnn/graph.h"
#include "tessera/systems/egnn/perceptron.h"
#include "tessera/systems/model.h"

namespace tessera::egnn {

/// The nodes between two layers.
struct Nodes {
  at::Tensor h;  ///< (N, d) invariant features
  at::Tensor x;  ///< (N, n) coordinates
};

/// One layer's part of a configuration.
struct EgclConfig {
  int64_t in_dim, out_dim, dim;
  int64_t edge_dim = 0;       ///< width of edge_attr
  int64_t node_attr_dim = 0;  ///< width of what φ_h sees besides h and the messages
  int64_t coord_dim = 3;
  bool residual = true;
  bool attention = false;
  bool update_coords = true;
  bool has_velocity = false;
  double coord_weight = 1.0;
  ops::EgclOptions edge;

  /// A layer dim → dim of a network.
  static EgclConfig of(const EgnnConfig& config);
};

/// Equivariant graph convolution (EGNN, section 3). For a receiver i and its senders j:
///   m_ij = φ_e(h_i, h_j, ‖x_i - x_j‖², a_ij)                     eq. 3      edge_mlp
///   m_ij ← φ_inf(m_ij) · m_ij                                    eq. 8      att_mlp
///   x_i' = x_i + C Σ_j (x_i - x_j) φ_x(m_ij)                     eq. 4      coord_mlp
///          + φ_v(h_i) v_i                                        eq. 7      coord_mlp_vel
///   h_i' = φ_h(h_i, Σ_j m_ij)                                    eqs. 5, 6  node_mlp
/// C is 1 / (number of senders) or 1; messages are always summed. h_i' uses the messages of the old
/// coordinates. README lists where the code differs from the paper.
class Egcl : public Model, public TakesEdgeWeights {
 public:
  explicit Egcl(const EgclConfig& config);

  /// vel: (N, n), initial velocity, required where the layer has one. node_attr: (N, a) likewise.
  Nodes forward(const Nodes& nodes, const Graph& graph, const at::Tensor& vel = {},
                const at::Tensor& node_attr = {}) const;
  /// x' alone, for the last layer of a network that returns coordinates: node_mlp gets no gradient.
  at::Tensor forward_coords(const Nodes& nodes, const Graph& graph,
                            const at::Tensor& vel = {}) const;

  /// A layer by itself: h, x, edge_index, edge_attr (vel) → h, x.
  TensorMap run(const TensorMap& inputs) override;

 private:
  ops::EgclResult edge_pass(const Nodes& nodes, const Graph& graph) const;
  at::Tensor moved(const Nodes& nodes, const at::Tensor& x_delta, const at::Tensor& vel) const;

  EgclConfig config_;
  std::shared_ptr<Perceptron> edge_mlp_, node_mlp_, coord_mlp_, coord_mlp_vel_;
  std::shared_ptr<Single> att_mlp_;
};

/// num_layers layers registered in `parent` as gcl_0, gcl_1, …
std::vector<std::shared_ptr<Egcl>> make_layers(torch::nn::Module& parent, int64_t num_layers,
                                               const EgclConfig& config);

}  // namespace tessera::egnn
