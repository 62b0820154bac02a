#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace tessera::ops {

/// A matrix in compressed rows together with its transpose: built once, so that products with it
/// and with its transpose both have one writer a row. Index tensors are int64.
struct SparseMatrix {
  int64_t rows = 0, cols = 0;
  at::Tensor value;    ///< [nnz] floating
  at::Tensor row_ptr;  ///< [rows+1] entries row_ptr[i] … row_ptr[i+1]-1 lie in row i
  at::Tensor col;      ///< [nnz]
  at::Tensor col_ptr;  ///< [cols+1] the same entries grouped by column
  at::Tensor row;      ///< [nnz] row of each, in that grouping
  at::Tensor place;    ///< [nnz] place of each in `value` and `col`
};

/// From a dense (R, C) matrix: its non-zeros.
SparseMatrix compress(const at::Tensor& dense);
/// From compressed rows. Throws InvalidArgument where they contradict each other or `cols`.
SparseMatrix compress(const at::Tensor& row_ptr, const at::Tensor& col, const at::Tensor& value,
                      int64_t cols);

}  // namespace tessera::ops
