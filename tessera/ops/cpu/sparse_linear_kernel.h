#pragma once

// What the caller (sparse_linear.cpp) and the kernels (sparse_linear_kernel.cpp) share: no torch.

#include <cstdint>

namespace tessera::ops {

/// Some columns of dense rows, copied together so that they stay in the second cache:
/// in the matrix itself they lie a row apart, which leaves most of a cache's sets unused.
template <class T>
struct Panel {
  int64_t columns;
  int64_t stride;  ///< of a row: `columns` padded to whole cache lines, with zeros behind the last
  T* values;
};

/// out[i] = Σ_k coefficient[k] · panel[index[k] − first] over k = begin[i] … end[i]-1, added to
/// what is there with `adds`. out is the panel's first column of row 0, its rows `width` apart.
template <class T>
struct PanelProduct {
  Panel<T> panel;
  int64_t first;
  const int64_t *begin, *end, *index;
  const T* coefficient;
  T* out;
  int64_t width;
  bool adds;
};

/// The loops of one instruction set.
template <class T>
struct SparseLinearKernels {
  /// The panel's columns of the `rows` rows that `row` names; `from` is the panel's first column of
  /// row 0, and rows are `width` apart.
  void (*copy)(const T* from, int64_t width, const int64_t* row, int64_t rows, const Panel<T>&);
  /// Rows [begin, end) of the result.
  void (*multiply)(const PanelProduct<T>&, int64_t begin, int64_t end);
  bool (*is_zero)(const T* values, int64_t count);
  bool (*is_finite)(const T* values, int64_t count);
};

namespace AVX512 {
template <class T>
SparseLinearKernels<T> sparse_linear_kernels();
}  // namespace AVX512
namespace AVX2 {
template <class T>
SparseLinearKernels<T> sparse_linear_kernels();
}  // namespace AVX2
namespace DEFAULT {
template <class T>
SparseLinearKernels<T> sparse_linear_kernels();
}  // namespace DEFAULT

}  // namespace tessera::ops
