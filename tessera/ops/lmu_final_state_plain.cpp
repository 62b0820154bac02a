#include <ATen/ATen.h>

#include "tessera/ops/lmu_final_state.h"

namespace tessera::ops {

at::Tensor lmu_final_state_plain(const at::Tensor& u, const at::Tensor& impulse) {
  const int64_t length = std::min(u.size(1), impulse.size(0));
  // Newest first, as the impulse response is.
  const at::Tensor recent = u.narrow(1, u.size(1) - length, length).flip(1);
  return at::matmul(recent.transpose(1, 2), impulse.narrow(0, 0, length));
}

}  // namespace tessera::ops
