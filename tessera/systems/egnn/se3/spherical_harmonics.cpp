#include "tessera/systems/egnn/se3/spherical_harmonics.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <numbers>

namespace tessera::egnn::se3 {
namespace {

/// sqrt((2J+1)/4π · 2^{k>0} (J−k)!/(J+k)!), which makes Y_J^{±k} of unit norm on the sphere.
double normalisation(int64_t J, int64_t k) {
  double factor = (2 * J + 1) / (4 * std::numbers::pi) * (k > 0 ? 2 : 1);
  for (int64_t i = J - k + 1; i <= J + k; ++i) factor /= static_cast<double>(i);
  return std::sqrt(factor);
}

}  // namespace

std::vector<at::Tensor> spherical_harmonics(const at::Tensor& d_E3, int64_t max_degree) {
  const at::NoGradGuard no_grad;
  const at::Tensor r_E1 = at::linalg_vector_norm(d_E3, 2, -1, /*keepdim=*/true);
  // The authors' angles at d = 0 are those of the second axis.
  const at::Tensor axis_3 = at::one_hot(at::scalar_tensor(1, r_E1.options().dtype(at::kLong)), 3);
  const at::Tensor u_E3 = at::where(r_E1 > 0, d_E3 / r_E1, axis_3.to(d_E3.scalar_type()));
  const at::Tensor cos_E = -u_E3.select(1, 1);
  const at::Tensor re_E = u_E3.select(1, 2), im_E = u_E3.select(1, 0);

  // Without angles: sin^k θ · e^{ikφ} is the k-th power of re + i·im, and the associated Legendre
  // function without its factor sin^k θ follows the same recursion in l. No pole is singular.
  std::vector<at::Tensor> Y;
  for (int64_t J = 0; J <= max_degree; ++J) Y.push_back(d_E3.new_empty({d_E3.size(0), 2 * J + 1}));
  at::Tensor power_re = at::ones_like(cos_E), power_im = at::zeros_like(cos_E);
  double diagonal = 1;  // (−1)^k (2k−1)!!
  for (int64_t k = 0; k <= max_degree; ++k) {
    if (k > 0) {
      diagonal *= -static_cast<double>(2 * k - 1);
      const at::Tensor next_re = power_re * re_E - power_im * im_E;
      power_im = power_re * im_E + power_im * re_E;
      power_re = next_re;
    }
    at::Tensor before, legendre = at::full_like(cos_E, diagonal);
    for (int64_t J = k; J <= max_degree; ++J) {
      if (J > k) {
        at::Tensor next = legendre * cos_E * static_cast<double>(2 * J - 1);
        if (before.defined()) next.sub_(before, static_cast<double>(J + k - 1));
        before = legendre;
        legendre = next.div_(static_cast<double>(J - k));
      }
      const at::Tensor scaled = legendre * normalisation(J, k);
      Y[J].select(1, J + k).copy_(scaled * power_re);
      if (k > 0) Y[J].select(1, J - k).copy_(scaled * power_im);
    }
  }
  return Y;
}

}  // namespace tessera::egnn::se3
