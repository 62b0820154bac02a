#include "tessera/ops/sparse_matrix.h"

#include <algorithm>
#include <string>
#include <tuple>

#include <ATen/ATen.h>
#include <torch/library.h>

#include "tessera/core/error.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/edge_list.h"

namespace tessera::ops {

namespace {

[[noreturn]] void refuse(const std::string& rule, const std::string& got) {
  fail<InvalidArgument>({.where = "compress", .rule = rule, .got = got, .id = "T-CSR-01"});
}

void check_rows(const at::Tensor& row_ptr, const at::Tensor& col, int64_t cols) {
  for (const at::Tensor* list : {&row_ptr, &col}) {
    if (list->scalar_type() != at::kLong || list->dim() != 1) {
      refuse("row_ptr and col must be int64 of one axis", describe(*list));
    }
  }
  if (row_ptr.size(0) == 0) refuse("row_ptr must have a place more than there are rows", "none");
  const bool ascends = (row_ptr.diff() >= 0).all().item<bool>();
  if (!ascends || row_ptr[0].item<int64_t>() != 0 || row_ptr[-1].item<int64_t>() != col.size(0)) {
    refuse("row_ptr must ascend from 0 to the number of values", describe(row_ptr));
  }
  if (col.numel() == 0) return;
  const auto [low, high] = col.aminmax();
  if (low.item<int64_t>() < 0 || high.item<int64_t>() >= cols) {
    refuse("columns must lie in [0, " + std::to_string(cols) + ")",
           std::to_string(low.item<int64_t>() < 0 ? low.item<int64_t>() : high.item<int64_t>()));
  }
}

/// The rows of all entries.
at::Tensor rows_of(const at::Tensor& row_ptr) { return at::repeat_interleave(row_ptr.diff()); }

}  // namespace

SparseMatrix compress(const at::Tensor& row_ptr, const at::Tensor& col, const at::Tensor& value,
                      int64_t cols) {
  check_rows(row_ptr, col, cols);
  if (value.dim() != 1 || value.size(0) != col.size(0)) {
    refuse("value must have one element for each column index", describe(value));
  }
  SparseMatrix matrix{.rows = row_ptr.size(0) - 1, .cols = cols, .value = value};
  matrix.row_ptr = row_ptr.contiguous();
  matrix.col = col.contiguous();
  // Sorted by row already: the list's grouping by sender is the transpose's.
  const at::Tensor row = rows_of(row_ptr);
  const EdgeList list =
      sort_edges(at::stack({row, matrix.col}), std::max(matrix.rows, matrix.cols));
  matrix.col_ptr = list.sender_ptr.narrow(0, 0, cols + 1).contiguous();
  matrix.place = list.sender_order;
  matrix.row = row.index_select(0, list.sender_order);
  return matrix;
}

SparseMatrix compress(const at::Tensor& dense) {
  if (dense.dim() != 2) refuse("the matrix must have two axes", describe(dense));
  const at::Tensor places = dense.detach().nonzero();
  const at::Tensor row = places.select(1, 0), col = places.select(1, 1).contiguous();
  const at::Tensor counts = at::bincount(row, {}, dense.size(0));
  return compress(at::constant_pad_nd(at::cumsum(counts, 0), {1, 0}), col, dense.index({row, col}),
                  dense.size(1));
}

namespace {

/// What a caller who has compressed rows needs beside: (col_ptr, row, place).
std::tuple<at::Tensor, at::Tensor, at::Tensor> run(const at::Tensor& row_ptr, const at::Tensor& col,
                                                   int64_t cols) {
  const SparseMatrix matrix = compress(row_ptr, col, at::empty(col.sizes(), at::kFloat), cols);
  return {matrix.col_ptr, matrix.row, matrix.place};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> run_meta(const at::Tensor&, const at::Tensor& col,
                                                        int64_t cols) {
  return {col.new_empty_symint({cols + 1}), at::empty_symint(col.sym_sizes(), col.options()),
          at::empty_symint(col.sym_sizes(), col.options())};
}

}  // namespace

TORCH_LIBRARY_IMPL(tessera, CPU, m) { m.impl("transpose_rows", TORCH_FN(run)); }
TORCH_LIBRARY_IMPL(tessera, CUDA, m) { m.impl("transpose_rows", TORCH_FN(run)); }
TORCH_LIBRARY_IMPL(tessera, Meta, m) { m.impl("transpose_rows", TORCH_FN(run_meta)); }

}  // namespace tessera::ops
