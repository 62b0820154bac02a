#include "tessera/ops/sparse_linear_passes.h"

#include "tessera/ops/cpu/graph.h"

namespace tessera::ops {

at::Tensor sparse_linear_cpu(const SparseMatrix& x, const at::Tensor& weight) {
  return weight.scalar_type() == at::kDouble
             ? sparse_linear_forward<double>(x, weight, run_gather<double>)
             : sparse_linear_forward<float>(x, weight, run_gather<float>);
}

SparseGradients sparse_linear_backward_cpu(const at::Tensor& d_out, const SparseMatrix& x,
                                           const at::Tensor& weight, const SparseNeeds& needs) {
  return weight.scalar_type() == at::kDouble
             ? sparse_linear_backward<double>(d_out, x, weight, needs, run_gather<double>)
             : sparse_linear_backward<float>(d_out, x, weight, needs, run_gather<float>);
}

}  // namespace tessera::ops
