#include <ATen/ATen.h>

#include <limits>

#include "tessera/ops/edge_softmax.h"

namespace tessera::ops {

at::Tensor edge_softmax_plain(const at::Tensor& logits, const EdgeList& edges) {
  const at::Tensor l_EH = logits.reshape({edges.num_given, -1}).index_select(0, edges.order);
  const int64_t heads = l_EH.size(1);
  const at::Tensor row_EH = edges.row.unsqueeze(1).expand({-1, heads});
  // A shift by the maximum changes no value, so it needs no gradient.
  const at::Tensor most_NH =
      at::full({edges.num_nodes, heads}, -std::numeric_limits<double>::infinity(), l_EH.options())
          .scatter_reduce(0, row_EH, l_EH.detach(), "amax");
  const at::Tensor power_EH = (l_EH - most_NH.index_select(0, edges.row)).exp();
  const at::Tensor sum_NH =
      at::zeros({edges.num_nodes, heads}, l_EH.options()).index_add(0, edges.row, power_EH);
  const at::Tensor alpha_EH = power_EH / sum_NH.index_select(0, edges.row);
  return at::zeros({edges.num_given, heads}, l_EH.options())
      .index_copy(0, edges.order, alpha_EH)
      .reshape(logits.sizes());
}

}  // namespace tessera::ops
