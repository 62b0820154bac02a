#pragma once

#include <memory>
#include <vector>

#include "tessera/systems/egnn/egcl_layer.h"
#include "tessera/systems/egnn/gnn.h"
#include "tessera/systems/egnn/radial_field.h"

namespace tessera::egnn {

/// Graph autoencoder (section 5.2): nodes of one graph of n nodes → latent z (n, K) → probability
/// of each edge. Every ordered pair i ≠ j exchanges messages; the adjacency is the edge attribute.
class Autoencoder : public Model {
 public:
  struct Reconstruction {
    at::Tensor adj_pred;  ///< (n, n), symmetric, zero diagonal
    at::Tensor z;         ///< (n, latent_dim)
  };

  /// start: what the encoder starts from, see the classes below.
  Reconstruction forward(const at::Tensor& start, const Graph& graph) const;

  /// adj (n, n) → adj_pred, z and bce, the cross entropy summed over all n² entries. Given
  /// edge_index and edge_attr the graph is theirs, and adj is only for bce. noise_coords or noise_h
  /// replaces the noise, which is else drawn from the default generator at every call.
  TensorMap run(const TensorMap& inputs) override;

 protected:
  explicit Autoencoder(const EgnnConfig& config) : config_(config) {}

  virtual at::Tensor encode(const at::Tensor& start, const Graph& graph) const = 0;
  virtual at::Tensor decode(const at::Tensor& z) const = 0;
  /// The name and width of the noise among the inputs; width 0 where the start is a vector of ones.
  virtual std::pair<std::string, int64_t> noise() const = 0;
  /// A parameter.
  virtual at::Tensor like() const = 0;

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

/// `egnn_ae`. Starts from noise as coordinates (n, latent_dim), and h = 1, which breaks the graph's
/// symmetries without singling out a node. After every layer x shrinks by coord_reg.
class EgnnAutoencoder : public Autoencoder {
 public:
  explicit EgnnAutoencoder(const EgnnConfig& config);

 protected:
  at::Tensor encode(const at::Tensor& start, const Graph& graph) const override;
  at::Tensor decode(const at::Tensor& z) const override { return decoder_.forward(z); }
  std::pair<std::string, int64_t> noise() const override {
    return {"noise_coords", config_.latent_dim};
  }
  at::Tensor like() const override { return decoder_.w(); }

 private:
  std::vector<std::shared_ptr<Egcl>> layers_;
  DistanceDecoder decoder_;
};

/// `gnn_ae`. Starts from noise as features (n, noise_dim), or from h = 1 where noise_dim is 0; then
/// nodes that a symmetry of the graph exchanges cannot be told apart.
class GnnAutoencoder : public Autoencoder {
 public:
  explicit GnnAutoencoder(const EgnnConfig& config);

 protected:
  at::Tensor encode(const at::Tensor& start, const Graph& graph) const override;
  at::Tensor decode(const at::Tensor& z) const override;
  std::pair<std::string, int64_t> noise() const override { return {"noise_h", config_.noise_dim}; }
  at::Tensor like() const override { return fc_emb_->weight; }

 private:
  std::vector<std::shared_ptr<GnnLayer>> layers_;
  torch::nn::Linear fc_emb_{nullptr}, fc_dec_{nullptr};
};

/// `radial_field_ae`. Starts from noise as coordinates, without features.
class RadialFieldAutoencoder : public Autoencoder {
 public:
  explicit RadialFieldAutoencoder(const EgnnConfig& config);

 protected:
  at::Tensor encode(const at::Tensor& start, const Graph& graph) const override;
  at::Tensor decode(const at::Tensor& z) const override { return decoder_.forward(z); }
  std::pair<std::string, int64_t> noise() const override {
    return {"noise_coords", config_.latent_dim};
  }
  at::Tensor like() const override { return decoder_.w(); }

 private:
  std::vector<std::shared_ptr<RadialField>> layers_;
  DistanceDecoder decoder_;
};

}  // namespace tessera::egnn
