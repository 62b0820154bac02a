#include <ATen/ATen.h>

#include <cmath>

#include "tessera/ops/sparsity_adam.h"

namespace tessera::ops {

namespace {

/// value ← value − step·avg / (√square / correction + eps), the averages moved towards gradient g.
void step_along(const at::Tensor& gradient, const at::Tensor& value, const at::Tensor& avg,
                const at::Tensor& square, int64_t updates, const SparsityAdamOptions& o) {
  const at::Tensor g = gradient + o.weight_decay * value;
  avg.lerp_(g, 1 - o.beta1);
  square.mul_(o.beta2).addcmul_(g, g, 1 - o.beta2);
  const double count = static_cast<double>(updates);
  const double correction = std::sqrt(1 - std::pow(o.beta2, count));
  value.addcdiv_(avg, square.sqrt() / correction + o.eps, -o.lr / (1 - std::pow(o.beta1, count)));
}

}  // namespace

void sparsity_adam_plain_(const MaskedWeights& w, const std::vector<at::Tensor>& d_effective,
                          int64_t updates, const SparsityAdamOptions& options) {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < w.mask.size(); ++i) {
    const bool has_weight = w.weight[i].numel() > 0, has_fixed = w.fixed[i].numel() > 0;
    const at::Tensor& mask = w.mask[i];
    const at::Tensor d = has_fixed ? d_effective[i] * w.fixed[i] : d_effective[i];
    const at::Tensor d_weight = d * mask;
    const at::Tensor d_mask = (has_weight ? d * w.weight[i] : d) + options.l1[i] * mask.sign();
    step_along(d_mask, mask, w.mask_avg[i], w.mask_square[i], updates, options);
    if (has_weight) {
      step_along(d_weight, w.weight[i], w.weight_avg[i], w.weight_square[i], updates, options);
    }
    if (w.effective[i].numel() == 0) continue;
    at::Tensor effective = has_weight ? w.weight[i] * mask : mask;
    if (has_fixed) effective = effective * w.fixed[i];
    w.effective[i].copy_(effective);
  }
}

}  // namespace tessera::ops
