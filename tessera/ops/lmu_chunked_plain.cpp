#include <ATen/ATen.h>

#include <algorithm>
#include <vector>

#include "tessera/ops/lmu_chunked.h"

namespace tessera::ops {

at::Tensor lmu_chunked_plain(const at::Tensor& u, const at::Tensor& m0, const at::Tensor& impulse,
                             const at::Tensor& A_t, int64_t chunk) {
  const int64_t rows = u.size(0), length = u.size(1), n = impulse.size(1),
                size = std::min(chunk, length), chunks = (length + size - 1) / size;
  const at::Tensor u_RPC =
      at::constant_pad_nd(u, {0, chunks * size - length}).view({rows, chunks, size});
  // Row i of a window holds u_{i−C+1} … u_i of its own chunk, zeros before it.
  const at::Tensor windows_RPCC = at::constant_pad_nd(u_RPC, {size - 1, 0}).unfold(2, size, 1);
  const at::Tensor inside_RPCN = at::matmul(windows_RPCC, impulse.narrow(0, 0, size).flip(0));

  std::vector<at::Tensor> powers = {A_t};
  for (int64_t i = 1; i < size; ++i) powers.push_back(at::mm(powers.back(), A_t));
  at::Tensor border_RN = m0.defined() ? m0 : at::zeros({rows, n}, u.options());
  std::vector<at::Tensor> borders;
  for (int64_t p = 0; p < chunks; ++p) {
    borders.push_back(border_RN);
    border_RN = at::mm(border_RN, powers.back()) + inside_RPCN.select(1, p).select(1, size - 1);
  }
  const at::Tensor carried_RPCN =
      at::matmul(at::stack(borders, 1), at::stack(powers, 1).view({n, size * n}))
          .view({rows, chunks, size, n});
  return (inside_RPCN + carried_RPCN).view({rows, chunks * size, n}).narrow(1, 0, length);
}

}  // namespace tessera::ops
