#pragma once

#include <ATen/ATen.h>

#include "tessera/ops/graph_passes.h"
#include "tessera/ops/sparse_linear_args.h"

// The passes of sparse_linear, the same on every device: `run(Gather<T>, rows)` is the device's.

namespace tessera::ops {

template <class T, class Run>
at::Tensor sparse_linear_forward(const SparseMatrix& x, const at::Tensor& weight, const Run& run) {
  const at::Tensor w_FO = weight.t().contiguous(), value = x.value.contiguous();
  const at::Tensor out = at::empty({x.rows, w_FO.size(1)}, weight.options());
  run(Gather<T>{.width = w_FO.size(1),
                .ptr = x.row_ptr.const_data_ptr<int64_t>(),
                .index = x.col.const_data_ptr<int64_t>(),
                .coefficient = value.const_data_ptr<T>(),
                .from = w_FO.const_data_ptr<T>(),
                .out = out.mutable_data_ptr<T>()},
      x.rows);
  return out;
}

template <class T, class Run>
SparseGradients sparse_linear_backward(const at::Tensor& d_out, const SparseMatrix& x,
                                       const at::Tensor& weight, const SparseNeeds& needs,
                                       const Run& run) {
  const at::Tensor g = d_out.contiguous();
  const int64_t width = g.size(1);
  SparseGradients d;
  if (!needs[0] && !needs[1]) return d;
  // Column by column, so that both gradients come from one pass over the rows of g.
  Gather<T> pass{.width = width,
                 .ptr = x.col_ptr.const_data_ptr<int64_t>(),
                 .index = x.row.const_data_ptr<int64_t>(),
                 .from = g.const_data_ptr<T>()};
  at::Tensor by_column, d_FO, w_FO, dots;
  if (needs[0]) {
    w_FO = weight.t().contiguous();
    // Without columns no pass writes.
    dots = width == 0 ? at::zeros(x.value.sizes(), x.value.options())
                      : at::empty(x.value.sizes(), x.value.options());
    pass.with = w_FO.const_data_ptr<T>();
    pass.dot = dots.mutable_data_ptr<T>();
  }
  if (needs[1]) {
    by_column = x.value.index_select(0, x.place);
    d_FO = at::empty({x.cols, width}, weight.options());
    pass.coefficient = by_column.const_data_ptr<T>();
    pass.out = d_FO.mutable_data_ptr<T>();
    d[1] = d_FO.t();
  }
  run(pass, x.cols);
  if (needs[0]) d[0] = at::empty_like(dots).scatter_(0, x.place, dots);
  return d;
}

}  // namespace tessera::ops
