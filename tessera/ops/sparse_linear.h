#pragma once

#include <ATen/core/Tensor.h>

#include "tessera/ops/sparse_matrix.h"

namespace tessera::ops {

/// x · weightᵀ for a sparse x (N, F) and a dense weight (O, F): (N, O). Each non-zero streams one
/// row of weightᵀ: fastest where that is contiguous (a weight stored as (F, O) and passed turned),
/// else it is copied so first. The gradient by the weight has the layout of weightᵀ, and rows of
/// features that no row of x has are zero. On the CPU, where that gradient is the only one wanted
/// and x and d_out are large, rows of d_out that are zero cost nothing.
/// Float and double are fused, other dtypes run plain. Differentiable in the weight and in
/// x.value, twice (the second derivative runs plain). Equal bits at every number of threads.
/// Throws InvalidArgument on shape, dtype or device mismatch.  Cost 2·nnz·O, each way.
at::Tensor sparse_linear(const SparseMatrix& x, const at::Tensor& weight);

/// The same composed of ATen operators: fallback, truth and shape rule.
at::Tensor sparse_linear_plain(const SparseMatrix& x, const at::Tensor& weight);

}  // namespace tessera::ops
