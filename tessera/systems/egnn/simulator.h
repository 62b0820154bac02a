#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tessera/core/config.h"
#include "tessera/data/reference_random.h"

namespace tessera::egnn {

/// The particle systems of the n-body experiment (paper, section 5.1), in the authors' units.
struct SimulatorConfig final : Config {
  std::string simulation = "charged";
  int64_t num_particles = 5;
  int64_t length = 5000;
  int64_t sample_every = 100;
  double dt = 1e-3;
  double max_force = 100;
  double box_size = 5;
  std::optional<double> loc_std;
  double vel_norm = 0.5;
  std::optional<double> interaction_strength;
  double noise_var = 0;
  bool walls = false;

  void fields(FieldList& list) override;
  void validate() const override;

  bool is_charged() const { return simulation == "charged"; }
  /// length / sample_every − 1; frame k is step sample_every·(k+1).
  int64_t num_frames() const { return length / sample_every - 1; }
};

/// The random draws of one system: everything that the dynamics depend on.
struct Start {
  std::vector<double> charges;  ///< n, −1 or +1; empty for springs
  std::vector<double> edges;    ///< n × n: c_i c_j, or the springs' stiffness with zero diagonal
  std::vector<double> raw_loc;  ///< 3 × n standard normals, before scaling
  std::vector<double> raw_vel;  ///< 3 × n
  std::vector<double> noise;  ///< 2 × frames × 3 × n standard normals; empty where noise_var is 0
};

/// frames × 3 × n each.
struct Trajectory {
  std::vector<double> loc, vel;
};

/// Charged particles (F_i = k Σ_j c_i c_j (x_i − x_j)/‖x_i − x_j‖³) or springs
/// (F_i = −k Σ_j e_ij (x_i − x_j)), unit masses, symplectic Euler with a full first kick.
/// Components of the summed force are clipped. The start is reflected once into the box; with
/// `walls` every step is.
///
/// Arithmetic follows the authors' NumPy code operation by operation, since close encounters
/// amplify a last bit 10⁹-fold in one system of ten. Trajectories are NumPy's bit for bit where
/// NumPy takes pow from the C library; where it has its own (AVX-512), those systems end elsewhere.
class Simulator {
 public:
  explicit Simulator(SimulatorConfig config);

  const SimulatorConfig& config() const { return config_; }
  /// One system from the stream, and the same draws thrown away.
  Start draw(data::NumpyRandom& random) const;
  void skip(data::NumpyRandom& random) const;

  /// Throws InvalidArgument where a particle starts (or with walls, comes) beyond 3 box sizes.
  /// Safe to call from several threads.
  Trajectory run(const Start& start) const;
  /// Total energy of every frame.
  std::vector<double> energy(const Trajectory& trajectory, const std::vector<double>& edges) const;

 private:
  struct State;
  void reflect(State& state) const;
  void kick(State& state) const;
  void pair_forces(State& state) const;

  SimulatorConfig config_;
  double loc_std_, strength_;
};

/// c_i c_j of all pairs, the diagonal (1) too.
std::vector<double> charge_products(const std::vector<double>& charges);

}  // namespace tessera::egnn
