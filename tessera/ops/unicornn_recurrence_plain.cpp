#include <vector>

#include <ATen/ATen.h>

#include "tessera/ops/unicornn_recurrence.h"

namespace tessera::ops {

at::Tensor unicornn_step(const UnicornnOscillators& oscillators) {
  return at::sigmoid(oscillators.c) * oscillators.dt;
}

UnicornnResult unicornn_recurrence_plain(const at::Tensor& q,
                                         const UnicornnOscillators& oscillators,
                                         const UnicornnState& start, const at::Tensor& mask,
                                         bool sequence) {
  // States of half precision would lose the steps' small changes.
  const bool is_half = at::isReducedFloatingType(q.scalar_type());
  const auto wide = [&](const at::Tensor& tensor) {
    return is_half ? tensor.to(at::kFloat) : tensor;
  };
  const at::Tensor w = wide(oscillators.w);
  const at::Tensor s = unicornn_step({w, wide(oscillators.c), oscillators.dt, oscillators.alpha});
  const at::Tensor zero = at::zeros_like(wide(q[0]));
  at::Tensor y = start.y.defined() ? start.y : zero, z = start.z.defined() ? start.z : zero;
  std::vector<at::Tensor> trajectory;
  for (const at::Tensor& q_t : q.unbind(0)) {
    z = z - s * (at::tanh(w * y + wide(q_t)) + oscillators.alpha * y);
    y = y + s * z;
    if (sequence) trajectory.push_back(mask.defined() ? y * mask : y);
  }
  const at::Tensor all =
      sequence ? at::stack(trajectory).to(q.scalar_type()) : q.new_empty({0, q.size(1), q.size(2)});
  return {.y = all, .state = {y, z}};
}

}  // namespace tessera::ops
