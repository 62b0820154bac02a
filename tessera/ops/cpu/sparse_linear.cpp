#include <ATen/ATen.h>

#include "tessera/ops/cpu/graph.h"
#include "tessera/ops/sparse_linear_args.h"

namespace tessera::ops {

namespace {

template <class T>
at::Tensor forward(const SparseMatrix& x, const at::Tensor& weight) {
  const at::Tensor w_FO = weight.t().contiguous(), value = x.value.contiguous();
  const at::Tensor out = at::empty({x.rows, w_FO.size(1)}, weight.options());
  run_gather<T>({.width = w_FO.size(1),
                 .ptr = indices_of(x.row_ptr),
                 .index = indices_of(x.col),
                 .coefficient = value.const_data_ptr<T>(),
                 .from = w_FO.const_data_ptr<T>(),
                 .out = out.mutable_data_ptr<T>()},
                x.rows);
  return out;
}

template <class T>
SparseGradients backward(const at::Tensor& d_out, const SparseMatrix& x, const at::Tensor& weight,
                         const SparseNeeds& needs) {
  const at::Tensor g = d_out.contiguous();
  const int64_t width = g.size(1);
  SparseGradients d;
  if (needs[0]) {
    const at::Tensor w_FO = weight.t().contiguous();
    d[0] = width == 0 ? at::zeros_like(x.value) : at::empty_like(x.value);
    run_gather<T>({.width = width,
                   .ptr = indices_of(x.row_ptr),
                   .index = indices_of(x.col),
                   .from = w_FO.const_data_ptr<T>(),
                   .with = g.const_data_ptr<T>(),
                   .dot = d[0].mutable_data_ptr<T>()},
                  x.rows);
  }
  if (needs[1]) {
    const at::Tensor by_column = x.value.index_select(0, x.place);
    const at::Tensor d_FO = at::empty({x.cols, width}, weight.options());
    run_gather<T>({.width = width,
                   .ptr = indices_of(x.col_ptr),
                   .index = indices_of(x.row),
                   .coefficient = by_column.const_data_ptr<T>(),
                   .from = g.const_data_ptr<T>(),
                   .out = d_FO.mutable_data_ptr<T>()},
                  x.cols);
    d[1] = d_FO.t();
  }
  return d;
}

}  // namespace

at::Tensor sparse_linear_cpu(const SparseMatrix& x, const at::Tensor& weight) {
  return weight.scalar_type() == at::kDouble ? forward<double>(x, weight)
                                             : forward<float>(x, weight);
}

SparseGradients sparse_linear_backward_cpu(const at::Tensor& d_out, const SparseMatrix& x,
                                           const at::Tensor& weight, const SparseNeeds& needs) {
  return weight.scalar_type() == at::kDouble ? backward<double>(d_out, x, weight, needs)
                                             : backward<float>(d_out, x, weight, needs);
}

}  // namespace tessera::ops
