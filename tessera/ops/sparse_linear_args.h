#pragma once

#include <array>

#include "tessera/ops/sparse_linear.h"

// Between the files of the operator `sparse_linear`; not for callers.

namespace tessera::ops {

/// Gradients by x.value and the weight, or whether they are wanted.
using SparseGradients = std::array<at::Tensor, 2>;
using SparseNeeds = std::array<bool, 2>;

/// Throws InvalidArgument where the kernels would read outside of a tensor.
void check(const SparseMatrix& x, const at::Tensor& weight);

at::Tensor sparse_linear_cpu(const SparseMatrix& x, const at::Tensor& weight);
SparseGradients sparse_linear_backward_cpu(const at::Tensor& d_out, const SparseMatrix& x,
                                           const at::Tensor& weight, const SparseNeeds& needs);

/// The kernels of another device.
struct SparseDevice {
  at::Tensor (*forward)(const SparseMatrix& x, const at::Tensor& weight);
  SparseGradients (*backward)(const at::Tensor& d_out, const SparseMatrix& x,
                              const at::Tensor& weight, const SparseNeeds& needs);
};
/// Null where the build has no CUDA kernels; cuda/graph_glue.cpp sets it.
const SparseDevice*& sparse_cuda();

}  // namespace tessera::ops
