#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "tessera/systems/egnn/config.h"
#include "tessera/systems/egnn/se3/angular_basis.h"
#include "tessera/systems/egnn/se3/fiber.h"
#include "tessera/systems/model.h"

namespace tessera::egnn {

/// The two baselines of the n-body table that are equivariant to SE(3), proper rotations and
/// translations, but not to reflections: Tensor Field Network (`tfn`, Thomas et al. 2018) and
/// SE(3)-Transformer (`se3_transformer`, Fuchs et al. 2020). Position + a type-1 vector computed
/// from charges (type 0) and velocities (type 1) on complete graphs of num_particles nodes.
///
/// Freshly drawn parameters, float32, from the default generator in the authors' order.
/// The buffers Q_J_a_b are derived, in double, and cast to the features' dtype when used.
/// Throws InvalidArgument where num_heads is not 1.
std::shared_ptr<Model> make_se3_model(const EgnnConfig& config);

namespace se3 {

/// A stack of equivariant layers between two fibers.
class Network : public torch::nn::Module {
 public:
  virtual Features forward(Features features, const Geometry& geometry) = 0;
};

class Se3Model final : public Model {
 public:
  explicit Se3Model(const EgnnConfig& config);

  struct Output {
    at::Tensor x;                       ///< (N, 3)
    std::vector<at::Tensor> harmonics;  ///< [J]: (E, 2J+1), edges sender by sender, see below
  };

  /// x, vel: (N, 3); charges: (N, 1), N a multiple of num_particles, whole systems in a row.
  /// The E = N·(num_particles − 1) edges run from the first node to every other of its system in
  /// order, then from the second, ….
  /// x reaches the output by itself and through distances; the angular basis has no gradient, as in
  /// the authors' code. At a distance of 0 the derivative of the distance is taken as 0.
  Output forward(const at::Tensor& x, const at::Tensor& vel, const at::Tensor& charges);

  /// Inputs x, vel, charges; outputs x, sh_0 … sh_{2(num_degrees−1)}.
  /// Throws InvalidArgument: shape, dtype or device, N not a multiple of num_particles, x not
  /// finite.
  TensorMap run(const TensorMap& inputs) override;
  bool is_derived(const std::string& buffer_name) const override;

 private:
  ChangeOfBasisTable change_of_basis_;  ///< the buffers Q_J_a_b
  std::shared_ptr<Network> network_;
  int64_t num_particles_, max_degree_;
};

}  // namespace se3
}  // namespace tessera::egnn
