#include "tessera/systems/egnn/se3/change_of_basis.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <array>
#include <cmath>
#include <map>
#include <mutex>
#include <numbers>

#include "tessera/systems/egnn/se3/spherical_harmonics.h"

namespace tessera::egnn::se3 {
namespace {

/// `count` directions spread over the sphere along a golden spiral.
at::Tensor sample_directions(int64_t count) {
  const at::Tensor step = at::arange(count, at::kDouble) + 0.5;
  const at::Tensor z = 1 - step * (2.0 / static_cast<double>(count));
  const at::Tensor radius = (1 - z * z).sqrt();
  const at::Tensor angle = step * (std::numbers::pi * (3 - std::sqrt(5.0)));
  return at::stack({radius * angle.cos(), radius * angle.sin(), z}, 1);
}

/// Rotation about axis k, then about axis k+1. Three of these with unrelated angles share no
/// subgroup, so that only the intertwiner of all rotations survives in the null space.
at::Tensor rotation_of(int64_t k, double first, double second) {
  const auto about = [](int64_t axis, double angle) {
    at::Tensor R = at::eye(3, at::kDouble);
    const int64_t i = (axis + 1) % 3, j = (axis + 2) % 3;
    R[i][i] = R[j][j] = std::cos(angle);
    R[j][i] = std::sin(angle);
    R[i][j] = -std::sin(angle);
    return R;
  };
  return about((k + 1) % 3, second).mm(about(k, first));
}

at::Tensor solve_change_of_basis(int64_t J, int64_t degree_in, int64_t degree_out) {
  const int64_t rows = (2 * degree_out + 1) * (2 * degree_in + 1), cols = 2 * J + 1;
  // All D are orthogonal: the squared residual of one rotation's Sylvester equation is the
  // quadratic form of 2 − B − Bᵀ with B = D_b ⊗ D_a ⊗ D_J acting on the entries of Q, row by row.
  at::Tensor form = at::zeros({rows * cols, rows * cols}, at::kDouble);
  constexpr std::array<std::array<double, 2>, 3> kAngles = {{{0.7, 1.9}, {2.6, 0.4}, {1.3, 3.0}}};
  for (int64_t k = 0; k < 3; ++k) {
    const at::Tensor R = rotation_of(k, kAngles[k][0], kAngles[k][1]);
    const at::Tensor B = at::kron(
        at::kron(wigner_matrix(degree_out, R), wigner_matrix(degree_in, R)), wigner_matrix(J, R));
    form -= B + B.t();
  }
  form.diagonal().add_(6.0);

  const auto [residuals, vectors] = at::linalg_eigh(form);
  const bool is_unique = residuals.numel() == 1 || residuals[1].item<double>() > 1e-3;
  TORCH_INTERNAL_ASSERT(residuals[0].item<double>() < 1e-10 && is_unique,
                        "the intertwiner is unique up to its factor");
  at::Tensor Q = vectors.select(1, 0).contiguous();
  const at::Tensor first = Q.index({Q.abs() > 1e-6})[0];
  return (Q * first.sign()).view({rows, cols});
}

}  // namespace

at::Tensor wigner_matrix(int64_t J, const at::Tensor& rotation) {
  const at::Tensor u = sample_directions(4 * (2 * J + 1));
  const at::Tensor Y = spherical_harmonics(u, J)[J];
  const at::Tensor Y_rotated = spherical_harmonics(u.mm(rotation.t()), J)[J];
  // The directions are spread evenly, so YᵀY is nearly a multiple of one: solve it directly.
  return at::linalg_solve(Y.t().mm(Y), Y.t().mm(Y_rotated)).t().contiguous();
}

at::Tensor change_of_basis(int64_t J, int64_t degree_in, int64_t degree_out) {
  static std::mutex mutex;
  static std::map<std::array<int64_t, 3>, at::Tensor> cache;
  const std::lock_guard lock(mutex);
  at::Tensor& Q = cache[{J, degree_in, degree_out}];
  if (!Q.defined()) {
    const at::NoGradGuard no_grad;
    Q = solve_change_of_basis(J, degree_in, degree_out);
  }
  return Q;
}

}  // namespace tessera::egnn::se3
