#include <ATen/ATen.h>

#include "tessera/ops/sparse_linear.h"

namespace tessera::ops {

at::Tensor sparse_linear_plain(const SparseMatrix& x, const at::Tensor& weight) {
  const at::Tensor row = at::empty_like(x.row).index_copy(0, x.place, x.row);
  const at::Tensor terms = x.value.unsqueeze(1) * weight.t().index_select(0, x.col);
  return at::zeros({x.rows, weight.size(0)}, weight.options()).index_add(0, row, terms);
}

}  // namespace tessera::ops
