#include "tessera/systems/lmu/state_space.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <mutex>
#include <set>
#include <utility>

#include <algorithm>

namespace tessera::lmu {

Discretizer discretizer_of(std::string_view name) {
  return name == "euler" ? Discretizer::kEuler : Discretizer::kZoh;
}

StateSpace delay_system(int64_t order) {
  StateSpace system{.A = at::empty({order, order}, at::kDouble),
                    .B = at::empty({order}, at::kDouble)};
  auto A = system.A.accessor<double, 2>();
  auto B = system.B.accessor<double, 1>();
  for (int64_t i = 0; i < order; ++i) {
    const double gain = 2.0 * static_cast<double>(i) + 1.0;
    B[i] = i % 2 == 0 ? gain : -gain;
    for (int64_t j = 0; j < order; ++j) A[i][j] = i < j || (i - j) % 2 == 0 ? -gain : gain;
  }
  return system;
}

StateSpace discretise(const StateSpace& continuous, double theta_inv, Discretizer discretizer) {
  const auto& [A, B] = continuous;
  const int64_t n = B.size(0);
  if (discretizer == Discretizer::kEuler) {
    return {.A = at::eye(n, A.options()) + theta_inv * A, .B = theta_inv * B};
  }
  at::Tensor joint = at::zeros({n + 1, n + 1}, A.options());
  joint.narrow(0, 0, n).narrow(1, 0, n).copy_(A * theta_inv);
  joint.narrow(0, 0, n).select(1, n).copy_(B * theta_inv);
  const at::Tensor step = at::linalg_matrix_exp(joint);
  return {.A = step.narrow(0, 0, n).narrow(1, 0, n).contiguous(),
          .B = step.narrow(0, 0, n).select(1, n).contiguous()};
}

StateSpace discretise_derivative(const StateSpace& continuous, const StateSpace& discrete,
                                 Discretizer discretizer) {
  if (discretizer == Discretizer::kEuler) return continuous;
  return {.A = at::mm(continuous.A, discrete.A),
          .B = at::mv(continuous.A, discrete.B) + continuous.B};
}

at::Tensor impulse_response(const StateSpace& discrete, int64_t length) {
  const int64_t n = discrete.B.size(0);
  const at::Tensor g = at::empty({length, n}, discrete.B.options());
  g[0].copy_(discrete.B);
  // The rows known so far, taken `known` steps on, are as many new ones: log₂(length) products.
  at::Tensor power_t = discrete.A.t().contiguous();
  for (int64_t known = 1; known < length; known *= 2) {
    const int64_t more = std::min(known, length - known);
    g.narrow(0, known, more).copy_(at::mm(g.narrow(0, 0, more), power_t));
    if (known + more < length) power_t = at::mm(power_t, power_t);
  }
  return g;
}

double spectral_radius(const StateSpace& continuous, double theta_inv, Discretizer discretizer) {
  const at::Tensor gain = continuous.B.abs().sqrt();  // √(2i+1)
  const at::Tensor poles =
      at::linalg_eigvals(continuous.A / gain.unsqueeze(1) * gain.unsqueeze(0)) * theta_inv;
  return discretizer == Discretizer::kEuler ? (1 + poles).abs().max().item<double>()
                                            : at::real(poles).max().exp().item<double>();
}

void warn_if_unstable(int64_t order, double theta, Discretizer discretizer) {
  // The exact step of a stable system is stable.
  if (discretizer != Discretizer::kEuler) return;
  static std::mutex mutex;
  static std::set<std::pair<int64_t, double>> seen;
  const std::lock_guard lock(mutex);
  if (!seen.insert({order, theta}).second) return;
  const double radius = spectral_radius(delay_system(order), 1 / theta, discretizer);
  if (radius <= 1) return;
  TORCH_WARN("[lmu] order ", order, " with theta ", theta, " by euler has a spectral radius of ",
             radius, ": states grow without bound. Raise theta or take discretizer = \"zoh\".");
}

at::Tensor legendre_decoder(const at::Tensor& fractions, int64_t order) {
  const at::Tensor x = 2 * fractions - 1;
  const at::Tensor rows = at::empty({fractions.size(0), order}, fractions.options());
  // (i+1) P_{i+1} = (2i+1) x P_i − i P_{i−1}
  for (int64_t i = 0; i < order; ++i) {
    if (i == 0) {
      rows.select(1, 0).fill_(1.0);
    } else if (i == 1) {
      rows.select(1, 1).copy_(x);
    } else {
      const auto k = static_cast<double>(i);
      rows.select(1, i).copy_(
          ((2 * k - 1) * x * rows.select(1, i - 1) - (k - 1) * rows.select(1, i - 2)) / k);
    }
  }
  return rows;
}

}  // namespace tessera::lmu
