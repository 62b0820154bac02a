#include "tessera/systems/egnn/se3/angular_basis.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cstdlib>

#include "tessera/systems/egnn/se3/spherical_harmonics.h"

namespace tessera::egnn::se3 {
namespace {

at::Tensor kernel_of(int64_t a, int64_t b, const std::vector<at::Tensor>& harmonics,
                     const ChangeOfBasisTable& change_of_basis) {
  const int64_t num_edges = harmonics[0].size(0);
  std::vector<at::Tensor> parts;
  for (int64_t J = std::abs(a - b); J <= a + b; ++J) {
    const at::Tensor Q = change_of_basis.at({J, a, b}).to(harmonics[J].scalar_type());
    parts.push_back(harmonics[J].mm(Q.t()).view({num_edges, 2 * b + 1, 2 * a + 1}));
  }
  return at::stack(parts, 2).flatten(1, 2);
}

}  // namespace

Geometry make_geometry(const at::Tensor& x_N3, int64_t num_particles, int64_t max_degree,
                       const ChangeOfBasisTable& change_of_basis) {
  PairGraph graph(x_N3.size(0) / num_particles, num_particles, x_N3.device());
  const at::Tensor d_E3 = graph.displacements(x_N3);
  // linalg_vector_norm, not sqrt of a sum of squares: its derivative at 0 is 0.
  const at::Tensor distance_U1 =
      at::linalg_vector_norm(d_E3.view({graph.num_pairs(), 2, 3}).select(1, 0), 2, -1, true);

  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> harmonics = spherical_harmonics(d_E3, 2 * max_degree);
  std::vector<std::vector<at::Tensor>> kernels(max_degree + 1);
  for (int64_t a = 0; a <= max_degree; ++a) {
    for (int64_t b = 0; b <= max_degree; ++b) {
      kernels[a].push_back(kernel_of(a, b, harmonics, change_of_basis));
    }
  }
  return {std::move(graph), distance_U1, std::move(harmonics), std::move(kernels)};
}

}  // namespace tessera::egnn::se3
