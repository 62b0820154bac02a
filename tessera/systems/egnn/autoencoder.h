#pragma once

#include <memory>
#include <vector>

#include "tessera/systems/edge_weights.h"
#include "tessera/systems/egnn/egcl_layer.h"
#include "tessera/systems/egnn/gnn.h"
#include "tessera/systems/egnn/radial_field.h"

namespace tessera::egnn {

/// Graph autoencoder (section 5.2): nodes of one graph of n nodes → latent z (n, K) → probability
/// of each edge. Every ordered pair i ≠ j exchanges messages; the adjacency is the edge attribute.
class Autoencoder : public Model, public TakesEdgeWeights {
 public:
  struct Reconstruction {
    at::Tensor adj_pred;  ///< (n, n), symmetric, zero diagonal
    at::Tensor z;         ///< (n, latent_dim)
  };

  /// start: what the encoder starts from; each network says which of h and x.
  Reconstruction forward(const Nodes& start, const Graph& graph) const;

  /// adj (n, n) → adj_pred, z and bce, the cross entropy summed over all n² entries. Given
  /// edge_index and edge_attr the graph is theirs, and adj is only for bce. noise_coords or noise_h
  /// replaces the noise, which is else drawn from the default generator at every call.
  TensorMap run(const TensorMap& inputs) override;

 protected:
  explicit Autoencoder(const EgnnConfig& config) : config_(config) {}

  virtual at::Tensor encode(const Nodes& start, const Graph& graph) const = 0;
  virtual at::Tensor decode(const at::Tensor& z) const = 0;
  /// The start for a graph of n nodes, from the inputs where they have it.
  virtual Nodes start(const TensorMap& inputs, int64_t num_nodes) const = 0;
  /// A parameter: the inputs' dtype and device.
  virtual const at::Tensor& like() const = 0;

  /// The input of that name, (n, width), else a draw of the standard normal distribution.
  at::Tensor noise(const TensorMap& inputs, const std::string& name, int64_t num_nodes,
                   int64_t width) const;
  /// The input h, (n, 1), else ones.
  at::Tensor ones(const TensorMap& inputs, int64_t num_nodes) const;

  EgnnConfig config_;
};

/// sigmoid(w·‖z_i - z_j‖² + b), the decoder of the two networks with coordinates. The paper writes
/// 1 / (1 + exp(w·d² + b)): opposite signs.
class DistanceDecoder {
 public:
  explicit DistanceDecoder(torch::nn::Module& parent);
  at::Tensor forward(const at::Tensor& z) const;
  const at::Tensor& w() const { return w_; }

 private:
  at::Tensor w_, b_;
};

/// `egnn_ae`. Starts from h = 1 and noise as coordinates (n, latent_dim), which breaks the graph's
/// symmetries without singling out a node. After every layer x shrinks by coord_reg.
class EgnnAutoencoder : public Autoencoder {
 public:
  explicit EgnnAutoencoder(const EgnnConfig& config);

 protected:
  at::Tensor encode(const Nodes& start, const Graph& graph) const override;
  at::Tensor decode(const at::Tensor& z) const override { return decoder_.forward(z); }
  Nodes start(const TensorMap& inputs, int64_t num_nodes) const override;
  const at::Tensor& like() const override { return decoder_.w(); }

 private:
  std::vector<std::shared_ptr<Egcl>> layers_;
  DistanceDecoder decoder_;
};

/// `gnn_ae`. Starts from noise as features h (n, noise_dim), or from h = 1 where noise_dim is 0;
/// then nodes that a symmetry of the graph exchanges cannot be told apart.
class GnnAutoencoder : public Autoencoder {
 public:
  explicit GnnAutoencoder(const EgnnConfig& config);

 protected:
  at::Tensor encode(const Nodes& start, const Graph& graph) const override;
  at::Tensor decode(const at::Tensor& z) const override;
  Nodes start(const TensorMap& inputs, int64_t num_nodes) const override;
  const at::Tensor& like() const override { return fc_emb_->weight; }

 private:
  std::vector<std::shared_ptr<GnnLayer>> layers_;
  torch::nn::Linear fc_emb_{nullptr}, fc_dec_{nullptr};
};

/// `radial_field_ae`. Starts from noise as coordinates x (n, latent_dim); it has no features.
class RadialFieldAutoencoder : public Autoencoder {
 public:
  explicit RadialFieldAutoencoder(const EgnnConfig& config);

 protected:
  at::Tensor encode(const Nodes& start, const Graph& graph) const override;
  at::Tensor decode(const at::Tensor& z) const override { return decoder_.forward(z); }
  Nodes start(const TensorMap& inputs, int64_t num_nodes) const override;
  const at::Tensor& like() const override { return decoder_.w(); }

 private:
  std::vector<std::shared_ptr<RadialField>> layers_;
  DistanceDecoder decoder_;
};

}  // namespace tessera::egnn
