#include <ATen/ATen.h>

#include "tessera/ops/masked_propagate_args.h"

namespace tessera::ops {

at::Tensor masked_propagate_plain(const at::Tensor& h, const at::Tensor& mask,
                                  const EdgeList& edges) {
  const at::Tensor m_E = mask.reshape({-1}).index_select(0, edges.order);
  const at::Tensor deg_N = at::ones({edges.num_nodes}, h.options()).index_add(0, edges.col, m_E);
  if (deg_N.is_cpu()) check_degrees(deg_N.detach());
  // The derivative at degree 0 is defined as 0.
  const at::Tensor is_zero = deg_N == 0;
  const at::Tensor s_N = at::where(is_zero, at::zeros_like(deg_N),
                                   at::where(is_zero, at::ones_like(deg_N), deg_N).pow(-0.5));
  const at::Tensor c_E1 =
      (m_E * s_N.index_select(0, edges.row) * s_N.index_select(0, edges.col)).unsqueeze(1);
  return (h * s_N.square().unsqueeze(1))
      .index_add(0, edges.row, c_E1 * h.index_select(0, edges.col));
}

}  // namespace tessera::ops
