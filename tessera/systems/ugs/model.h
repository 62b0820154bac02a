#pragma once

#include <memory>

#include "tessera/systems/edge_weights.h"
#include "tessera/systems/masked_product.h"
#include "tessera/systems/model.h"
#include "tessera/systems/ugs/config.h"
#include "tessera/systems/ugs/link.h"
#include "tessera/systems/ugs/network.h"

namespace tessera::ugs {

/// Edge masks as they enter a forward: (E) each.
struct EdgeMasks {
  at::Tensor soft, hard;
  std::shared_ptr<MaskedProduct> product = {};  ///< of masks that are a model's; null: of none
  at::Tensor effective() const { return product ? product->read() : soft * hard; }
};

/// A graph network with masks on its edges and weights. For link prediction the network is the
/// encoder, `gcn` in the authors' names, beside a discriminator and the centres of the readout.
class UgsModel : public Model, public TakesEdgeWeights, public TrainsMasks {
 public:
  explicit UgsModel(const UgsConfig& config);

  /// Logits of nodes (N, C); for link prediction their embedding (N, d).
  at::Tensor forward(const Features& x, const Graph& graph, const EdgeMasks& masks);
  /// The loss of the link encoder; `permutation` (N) shuffles the nodes' features.
  Contrast contrast(const at::Tensor& real, const Features& x, const Graph& graph,
                    const EdgeMasks& masks, const at::Tensor& permutation,
                    const at::Tensor& centres);

  /// Inputs: edge_index (2, E); x (N, F), or x_indptr, x_columns, x_values; edge_mask_train and
  /// edge_mask_fixed (E) unless the model has them; labels and train_idx give train_loss;
  /// permutation and positive_edges, negative_edges (n, 2) those of link prediction.
  /// Outputs: logits, and propagation (N, N) for small GCNs; log_probs for resgcn; embedding, loss,
  /// logits_global, logits_cluster, cluster_means, cluster_readout, auc_ap for link prediction.
  TensorMap run(const TensorMap& inputs) override;
  bool is_derived(const std::string& buffer) const override { return buffer == "centres"; }
  /// GCN and GIN, without edge masks of their own. GAT and ResGCN leave a masked edge its share of
  /// a softmax.
  std::string edge_weight_input() const override;

  const UgsConfig& config() const { return config_; }
  Network& network() { return *network_; }
  /// Edge masks that are weights of the model; undefined where num_edges is 0.
  const EdgeMasks& edge_masks() const { return edges_; }
  Masks masks() const;
  /// Whether soft masks have gradients. While they do, and edges have masks, a training forward has
  /// the output `l1`: graph_l1·Σ|m| + weight_l1·Σ|M1|, unless an optimizer took it over.
  void set_masks_trained(bool trained);
  const MaskedProducts& take_products() override;

 protected:
  /// Sparse features and checked graphs are kept: a training gives the same tensors at every step.
  Features features_of(const TensorMap& inputs);
  Graph graph_of(const TensorMap& inputs);
  EdgeMasks masks_of(const TensorMap& inputs, const at::Tensor& like) const;
  /// Whether a forward draws dropout.
  virtual bool drops() const;

 private:
  bool is_training_forward() const;
  at::Tensor l1() const;
  void add_link_outputs(TensorMap& outputs, const TensorMap& inputs, const at::Tensor& embedding,
                        const Features& x, const Graph& graph, const EdgeMasks& masks);

  const UgsConfig config_;
  std::shared_ptr<Network> network_;
  EdgeMasks edges_;
  MaskedProducts products_;  ///< empty until they are taken
  at::Tensor bilinear_weight_, bilinear_bias_, centres_;
  at::Tensor seen_values_, seen_edges_;
  Features seen_features_;
  Graph seen_graph_;
};

/// Mean cross-entropy over the nodes of `index`.
at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& labels,
                         const at::Tensor& index);

}  // namespace tessera::ugs
