#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include <cmath>
#include <cstdlib>
#include <numbers>
#include <tuple>

#include "tessera/systems/egnn/se3/change_of_basis.h"
#include "tessera/systems/egnn/se3/spherical_harmonics.h"
#include "tessera/systems/egnn/test_inputs.h"

// The angular basis: harmonics against closed forms, and the change of basis against its defining
// property, for rotations other than those it was computed from.

namespace tessera::egnn::se3 {
namespace {

double largest(const at::Tensor& difference) { return difference.abs().max().item<double>(); }

at::Tensor random_rotation() { return testing::random_orthogonal(3, 1, at::kDouble); }

/// Midpoints in azimuth, the polar cosine z and weights of a product rule on the sphere, exact for
/// polynomials of degree below 2·points.
std::pair<at::Tensor, at::Tensor> quadrature(int64_t points) {
  // Gauss–Legendre: nodes are the eigenvalues of the Jacobi matrix, weights 2·(first component)².
  at::Tensor jacobi = at::zeros({points, points}, at::kDouble);
  for (int64_t i = 1; i < points; ++i) {
    const double k = static_cast<double>(i);
    jacobi[i][i - 1] = jacobi[i - 1][i] = k / std::sqrt(4 * k * k - 1);
  }
  const auto [z_P, vectors] = at::linalg_eigh(jacobi);
  const at::Tensor weight_P = 2 * vectors[0].square();
  const int64_t turns = 2 * points;
  const at::Tensor phi_T = (at::arange(turns, at::kDouble) + 0.5) * (2 * std::numbers::pi / turns);
  const at::Tensor radius_P1 = (1 - z_P.square()).sqrt().unsqueeze(1);
  const at::Tensor d = at::stack(
      {radius_P1 * phi_T.cos(), radius_P1 * phi_T.sin(), z_P.unsqueeze(1).expand({points, turns})},
      2);
  const at::Tensor weight = weight_P.unsqueeze(1).expand({points, turns}) *
                            (2 * std::numbers::pi / static_cast<double>(turns));
  return {d.reshape({-1, 3}), weight.reshape({-1, 1})};
}

TEST(SphericalHarmonics, are_orthonormal_on_the_sphere) {
  constexpr int64_t kMaxDegree = 6;
  const auto [d, weight] = quadrature(kMaxDegree + 2);
  const at::Tensor Y = at::cat(spherical_harmonics(d, kMaxDegree), 1);
  ASSERT_EQ(Y.size(1), (kMaxDegree + 1) * (kMaxDegree + 1));
  EXPECT_LT(largest(Y.t().mm(Y * weight) - at::eye(Y.size(1), at::kDouble)), 1e-13);
}

TEST(SphericalHarmonics, of_degrees_up_to_two_are_the_closed_forms) {
  at::manual_seed(1);
  const at::Tensor d = at::randn({50, 3}, at::kDouble) * 3;
  const at::Tensor u = d / d.norm(2, {1}, true);
  const at::Tensor X = u.select(1, 2), Y = u.select(1, 0), z = -u.select(1, 1);
  const double pi = std::numbers::pi;

  const std::vector<at::Tensor> harmonics = spherical_harmonics(d, 2);
  EXPECT_LT(largest(harmonics[0] - std::sqrt(1 / (4 * pi))), 1e-15);
  EXPECT_LT(largest(harmonics[1] + std::sqrt(3 / (4 * pi)) * u), 1e-14);
  const double c = std::sqrt(15 / (4 * pi));
  const at::Tensor second = at::stack({c * X * Y, -c * Y * z, c / std::sqrt(12.0) * (3 * z * z - 1),
                                       -c * X * z, c / 2 * (X * X - Y * Y)},
                                      1);
  EXPECT_LT(largest(harmonics[2] - second), 1e-14);
}

TEST(SphericalHarmonics, depend_on_the_direction_alone) {
  at::manual_seed(2);
  const at::Tensor d = at::randn({20, 3}, at::kDouble);
  const auto near = spherical_harmonics(d * 1e-8, 4), far = spherical_harmonics(d * 1e8, 4);
  for (size_t J = 0; J < near.size(); ++J) EXPECT_LT(largest(near[J] - far[J]), 1e-13);
}

TEST(SphericalHarmonics, are_finite_at_the_poles_and_at_zero) {
  const at::Tensor d = at::tensor({0., 1., 0., 0., -1., 0., 0., 0., 0.}, at::kDouble).view({3, 3});
  for (const at::Tensor& Y : spherical_harmonics(d, 5)) {
    EXPECT_TRUE(Y.isfinite().all().item<bool>());
    EXPECT_TRUE(Y[2].equal(Y[0])) << "zero counts as the direction (0, 1, 0)";
  }
}

TEST(WignerMatrix, of_degree_one_is_the_rotation_itself) {
  at::manual_seed(3);
  const at::Tensor R = random_rotation();
  EXPECT_LT(largest(wigner_matrix(1, R) - R), 1e-14);
}

class ChangeOfBasis : public ::testing::TestWithParam<std::tuple<int64_t, int64_t>> {};

TEST_P(ChangeOfBasis, commutes_with_every_rotation) {
  const auto [a, b] = GetParam();
  at::manual_seed(4);
  for (int64_t J = std::abs(a - b); J <= a + b; ++J) {
    const at::Tensor Q = change_of_basis(J, a, b);
    ASSERT_EQ(Q.sizes(), (at::IntArrayRef{(2 * b + 1) * (2 * a + 1), 2 * J + 1}));
    EXPECT_NEAR(Q.norm().item<double>(), 1, 1e-13);
    EXPECT_GT(Q.index({Q.abs() > 1e-6})[0].item<double>(), 0);
    for (int repeat = 0; repeat < 3; ++repeat) {
      const at::Tensor R = random_rotation();
      const at::Tensor left = at::kron(wigner_matrix(b, R), wigner_matrix(a, R)).mm(Q);
      EXPECT_LT(largest(left - Q.mm(wigner_matrix(J, R))), 1e-12) << "J = " << J;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Degrees, ChangeOfBasis,
                         ::testing::Combine(::testing::Range<int64_t>(0, 4),
                                            ::testing::Range<int64_t>(0, 4)));

}  // namespace
}  // namespace tessera::egnn::se3
