#include "tessera/systems/egnn/simulator.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include <utility>

#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera::egnn {
namespace {

/// Kinds −1, 0, +1 of a charge, or stiffness 0, ½, 1 of a spring: the middle one never occurs.
constexpr std::array<double, 3> kKindProbabilities = {0.5, 0.0, 0.5};
constexpr std::array<double, 3> kCharges = {-1.0, 0.0, 1.0};
constexpr std::array<double, 3> kStiffness = {0.0, 0.5, 1.0};

/// NumPy's sum along a contiguous axis: eight partial sums from eight terms on.
double numpy_sum(const double* terms, size_t count) {
  if (count < 8) {
    double sum = 0;
    for (size_t i = 0; i < count; ++i) sum += terms[i];
    return sum;
  }
  std::array<double, 8> r;
  std::copy_n(terms, 8, r.begin());
  size_t i = 8;
  for (; i + 8 <= count; i += 8) {
    for (size_t k = 0; k < 8; ++k) r[k] += terms[i + k];
  }
  double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  for (; i < count; ++i) sum += terms[i];
  return sum;
}

/// |x_i|² + |x_j|² − 2 x_i·x_j below the diagonal, the dot product in fused steps as BLAS has it.
/// Only here may the compiler fuse: elsewhere NumPy rounds products and sums one by one.
__attribute__((target("fma"))) void squared_distances(const double* x, const double* norm2,
                                                      size_t n, double* r2) {
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < i; ++j) {
      const double dot =
          std::fma(x[2 * n + i], x[2 * n + j], std::fma(x[n + i], x[n + j], x[i] * x[j]));
      r2[i * n + j] = norm2[i] + norm2[j] - 2 * dot;
    }
  }
}

std::vector<double> draw_normals(data::NumpyRandom& random, size_t count) {
  std::vector<double> values(count);
  for (double& value : values) value = random.normal();
  return values;
}

}  // namespace

void SimulatorConfig::fields(FieldList& list) {
  list("simulation", simulation, {.help = "kind of interaction", .one_of = {"charged", "springs"}});
  list("num_particles", num_particles,
       {.help = "particles in a system", .min = 1, .max = 1000, .authors_name = "n_balls"});
  list("length", length,
       {.help = "integration steps", .unit = "steps", .min = 2, .authors_name = "T"});
  list("sample_every", sample_every,
       {.help = "steps between frames", .unit = "steps", .min = 1, .authors_name = "sample_freq"});
  list("dt", dt,
       {.help = "time of a step", .min = 0, .min_exclusive = true, .authors_name = "_delta_T"});
  list("max_force", max_force,
       {.help = "largest component of a summed force", .min = 0, .authors_name = "_max_F"});
  list("box_size", box_size, {.help = "half side of the box", .min = 0, .min_exclusive = true});
  list("loc_std", loc_std,
       {.help = "spread of the start; none takes 1 (charged, times cbrt(n/5)) or 0.5 (springs)",
        .min = 0});
  list("vel_norm", vel_norm, {.help = "speed of every particle at the start", .min = 0});
  list("interaction_strength", interaction_strength,
       {.help = "force constant; none takes 1 (charged) or 0.1 (springs)"});
  list("noise_var", noise_var, {.help = "noise added to the recorded frames", .min = 0});
  list("walls", walls, {.help = "reflect at the box in every step, not at the start alone"});
}

void SimulatorConfig::validate() const {
  if (length % sample_every != 0 || num_frames() < 1) {
    fail<InvalidArgument>({.where = "simulate",
                           .rule = "length must be at least twice sample_every and divisible by it",
                           .got = std::to_string(length) + " and " + std::to_string(sample_every),
                           .id = "T-EGNN-40"});
  }
}

std::vector<double> charge_products(const std::vector<double>& charges) {
  std::vector<double> products;
  products.reserve(charges.size() * charges.size());
  for (const double a : charges) {
    for (const double b : charges) products.push_back(a * b);
  }
  return products;
}

/// One system in motion: axis-major, as the authors' arrays are.
struct Simulator::State {
  std::vector<double> x, v;      // 3 × n
  std::vector<double> coupling;  // n × n: what multiplies x_i − x_j, or 1/r³ times it
  std::vector<double> norm2, r2, scale, terms;

  size_t n() const { return norm2.size(); }
};

Simulator::Simulator(SimulatorConfig config) : config_(std::move(config)) {
  config_.validate();
  const double n = static_cast<double>(config_.num_particles);
  loc_std_ = config_.is_charged() ? config_.loc_std.value_or(1.0) * std::pow(n / 5, 1.0 / 3)
                                  : config_.loc_std.value_or(0.5);
  strength_ = config_.interaction_strength.value_or(config_.is_charged() ? 1.0 : 0.1);
}

Start Simulator::draw(data::NumpyRandom& random) const {
  const auto n = static_cast<size_t>(config_.num_particles);
  Start start;
  if (config_.is_charged()) {
    for (size_t i = 0; i < n; ++i)
      start.charges.push_back(kCharges[random.choice(kKindProbabilities)]);
    start.edges = charge_products(start.charges);
  } else {
    start.edges.resize(n * n);
    for (double& edge : start.edges) edge = kStiffness[random.choice(kKindProbabilities)];
    for (size_t i = 0; i < n; ++i) {
      start.edges[i * n + i] = 0;
      for (size_t j = i + 1; j < n; ++j) start.edges[i * n + j] = start.edges[j * n + i];
    }
  }
  start.raw_loc = draw_normals(random, 3 * n);
  start.raw_vel = draw_normals(random, 3 * n);
  const size_t noise = 2 * static_cast<size_t>(config_.num_frames()) * 3 * n;
  if (config_.noise_var == 0) {
    random.skip_normals(noise);
  } else {
    start.noise = draw_normals(random, noise);
  }
  return start;
}

void Simulator::skip(data::NumpyRandom& random) const {
  const auto n = static_cast<uint64_t>(config_.num_particles);
  const uint64_t kinds = config_.is_charged() ? n : n * n;
  for (uint64_t i = 0; i < kinds; ++i) random.uniform();
  random.skip_normals(6 * n + 6 * n * static_cast<uint64_t>(config_.num_frames()));
}

void Simulator::reflect(State& state) const {
  const double box = config_.box_size;
  for (size_t i = 0; i < state.x.size(); ++i) {
    double& x = state.x[i];
    if (!(std::abs(x) < 3 * box)) {
      fail<InvalidArgument>({.where = "simulate",
                             .rule = "particles must lie within three box sizes",
                             .got = shortest(x),
                             .next = "Take a larger box_size or a smaller loc_std.",
                             .id = "T-EGNN-41"});
    }
    if (x > box) {
      x = 2 * box - x;
      state.v[i] = -std::abs(state.v[i]);
    }
    if (x < -box) {
      x = -2 * box - x;
      state.v[i] = std::abs(state.v[i]);
    }
  }
}

/// The factor of x_i − x_j in the force on i.
void Simulator::pair_forces(State& state) const {
  if (!config_.is_charged()) {
    for (size_t p = 0; p < state.scale.size(); ++p) state.scale[p] = -state.coupling[p];
    return;
  }
  const size_t n = state.n();
  const double* x = state.x.data();
  for (size_t i = 0; i < n; ++i) {
    state.norm2[i] = x[i] * x[i] + x[n + i] * x[n + i] + x[2 * n + i] * x[2 * n + i];
  }
  squared_distances(x, state.norm2.data(), n, state.r2.data());
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < i; ++j) {
      const double r2 = state.r2[i * n + j];
      const double scale = state.coupling[i * n + j] / std::pow(r2, 1.5);
      state.scale[i * n + j] = state.scale[j * n + i] = scale;
    }
  }
}

void Simulator::kick(State& state) const {
  pair_forces(state);
  const size_t n = state.n();
  for (size_t axis = 0; axis < 3; ++axis) {
    const double* x = state.x.data() + axis * n;
    double* v = state.v.data() + axis * n;
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) state.terms[j] = state.scale[i * n + j] * (x[i] - x[j]);
      const double force = numpy_sum(state.terms.data(), n);
      v[i] += config_.dt * std::clamp(force, -config_.max_force, config_.max_force);
    }
  }
}

Trajectory Simulator::run(const Start& start) const {
  const auto n = static_cast<size_t>(config_.num_particles);
  State state{.x = start.raw_loc,
              .v = start.raw_vel,
              .coupling = start.edges,
              .norm2 = std::vector<double>(n),
              .r2 = std::vector<double>(n * n),
              .scale = std::vector<double>(n * n),
              .terms = std::vector<double>(n)};
  for (double& coupling : state.coupling) coupling *= strength_;
  for (double& x : state.x) x *= loc_std_;
  for (size_t i = 0; i < n; ++i) {
    double* v = state.v.data() + i;
    const double norm = std::sqrt(v[0] * v[0] + v[n] * v[n] + v[2 * n] * v[2 * n]);
    for (size_t axis = 0; axis < 3; ++axis) v[axis * n] = v[axis * n] * config_.vel_norm / norm;
  }
  reflect(state);

  Trajectory frames;
  const size_t size = static_cast<size_t>(config_.num_frames()) * 3 * n;
  frames.loc.reserve(size);
  frames.vel.reserve(size);
  // The last kicks come after the last frame and are never seen.
  const int64_t last = config_.sample_every * config_.num_frames();
  kick(state);
  for (int64_t step = 1; step <= last; ++step) {
    for (size_t i = 0; i < state.x.size(); ++i) state.x[i] += config_.dt * state.v[i];
    if (config_.walls) reflect(state);
    if (step % config_.sample_every == 0) {
      frames.loc.insert(frames.loc.end(), state.x.begin(), state.x.end());
      frames.vel.insert(frames.vel.end(), state.v.begin(), state.v.end());
    }
    if (step < last) kick(state);
  }
  if (!start.noise.empty()) {
    for (size_t i = 0; i < size; ++i) {
      frames.loc[i] += start.noise[i] * config_.noise_var;
      frames.vel[i] += start.noise[size + i] * config_.noise_var;
    }
  }
  return frames;
}

std::vector<double> Simulator::energy(const Trajectory& trajectory,
                                      const std::vector<double>& edges) const {
  const auto n = static_cast<size_t>(config_.num_particles);
  std::vector<double> energies;
  for (size_t frame = 0; frame < trajectory.loc.size(); frame += 3 * n) {
    const double* x = trajectory.loc.data() + frame;
    double kinetic = 0, potential = 0;
    for (size_t i = 0; i < 3 * n; ++i) {
      kinetic += 0.5 * trajectory.vel[frame + i] * trajectory.vel[frame + i];
    }
    for (size_t i = 0; i < n; ++i) {
      for (size_t j = 0; j < n; ++j) {
        if (i == j) continue;
        double r2 = 0;
        for (size_t axis = 0; axis < 3; ++axis) {
          const double difference = x[axis * n + i] - x[axis * n + j];
          r2 += difference * difference;
        }
        const double shape = config_.is_charged() ? 1 / std::sqrt(r2) : r2 / 2;
        potential += 0.5 * strength_ * edges[i * n + j] * shape;
      }
    }
    energies.push_back(kinetic + potential);
  }
  return energies;
}

}  // namespace tessera::egnn
