#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "tessera/systems/edge_weights.h"
#include "tessera/systems/egnn/graph.h"
#include "tessera/systems/egnn/perceptron.h"
#include "tessera/systems/model.h"

namespace tessera::egnn {

/// Radial field (Köhler et al.), the paper's equivariant baseline without features:
///   x_i' = x_i + mean_j (x_i - x_j) · φ(‖x_i - x_j‖, a_ij)
/// The derivative of the length is defined as 0 at coincident nodes, where the reference has NaN.
class RadialField : public torch::nn::Module {
 public:
  struct Config {
    int64_t dim, edge_dim;
    ops::Activation activation;
    bool tanh = false;                 ///< bound φ
    std::optional<double> clamp = {};  ///< bound each component of a step
    bool has_velocity = false;         ///< add φ_v(speed)·vel
  };
  explicit RadialField(const Config& config);

  /// mean_j of the steps (N, n), each times the edge's weight; what is added to x is the caller's.
  at::Tensor forward(const at::Tensor& x, const Graph& graph) const;
  /// φ_v: speed (N, 1) → (N, 1).
  at::Tensor velocity_scale(const at::Tensor& speed) const {
    return coord_mlp_vel_->forward({speed});
  }
  const Perceptron& phi() const { return *phi_; }

 private:
  Config config_;
  std::shared_ptr<Perceptron> coord_mlp_vel_, phi_;
};

/// `radial_field_vel`: the radial field of the n-body experiment.
class RadialFieldDynamics : public Model, public TakesEdgeWeights {
 public:
  explicit RadialFieldDynamics(const EgnnConfig& config);

  /// speed: (N, 1), ‖vel‖; x, vel: (N, coord_dim).  returns x
  at::Tensor forward(const at::Tensor& speed, const at::Tensor& x, const Graph& graph,
                     const at::Tensor& vel) const;
  /// h (the speed), x, vel, edge_index, edge_attr → x.
  TensorMap run(const TensorMap& inputs) override;

 private:
  EgnnConfig config_;
  std::vector<std::shared_ptr<RadialField>> layers_;
};

}  // namespace tessera::egnn
