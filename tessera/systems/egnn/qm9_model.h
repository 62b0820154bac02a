#pragma once

#include <memory>
#include <vector>

#include "tessera/systems/edge_weights.h"
#include "tessera/systems/egnn/egcl_layer.h"

namespace tessera::egnn {

/// `egnn_qm9`: one property of each molecule of a padded batch (section 5.3). Coordinates are
/// fixed, so the prediction is invariant to rotations, reflections and translations. Edges that the
/// mask removes (self pairs, padded slots) are never computed.
class EgnnQm9 : public Model, public TakesEdgeWeights {
 public:
  explicit EgnnQm9(const EgnnConfig& config);

  /// h: (B·n, node_in_dim), x: (B·n, coord_dim), node_mask: (B·n, 1), 0 for padded slots; n =
  /// num_nodes slots per molecule.  returns (B)
  at::Tensor forward(const at::Tensor& h, const at::Tensor& x, const Graph& graph,
                     const at::Tensor& node_mask, int64_t num_nodes) const;
  /// h, x, edge_index, edge_mask, node_mask → pred. The slots per molecule are the input num_nodes,
  /// else the configuration's; where neither says so the batch is one molecule.
  TensorMap run(const TensorMap& inputs) override;

 private:
  EgnnConfig config_;
  torch::nn::Linear embedding_;
  std::vector<std::shared_ptr<Egcl>> layers_;
  std::shared_ptr<Perceptron> node_dec_, graph_dec_;
};

}  // namespace tessera::egnn
