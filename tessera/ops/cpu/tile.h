#pragma once

// Small dense algebra on tiles that stay in the cache. Included by kernel files only, which are
// compiled once per instruction set: everything lives in a namespace of that set's name.
//
// A tile is row-major; its rows are `padded` to whole cache lines with zeros behind the last
// column, so that loops over columns have no tails. Only the caller's own arrays are loaded and
// stored with a count.

#include <ATen/cpu/vec/vec.h>

#include <cstdint>
#include <type_traits>

#include "tessera/ops/cpu/padding.h"

namespace tessera::ops::CPU_CAPABILITY {

template <class T>
using Vec = at::vec::Vectorized<T>;

// ---- Matrix product -----------------------------------------------------------------------------

/// What a product is added to.
enum class Onto { kZero, kBias, kItself };

/// Rows × vectors of the result that are held in registers.
template <class T>
struct Block {
#if defined(CPU_CAPABILITY_AVX512)
  static constexpr int kRows = 4, kVectors = 4;
#elif defined(CPU_CAPABILITY_AVX2)
  static constexpr int kRows = 6, kVectors = 2;
#else
  static constexpr int kRows = 2, kVectors = 2;
#endif
};

template <class T, bool kTransposed, int kRows, int kVectors>
void multiply_block(int64_t depth, const T* a, int64_t lda, const T* b, int64_t ldb, Onto onto,
                    const T* bias, T* c, int64_t ldc) {
  constexpr int kWidth = Vec<T>::size();
  Vec<T> sum[kRows][kVectors];
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    const Vec<T> start = onto == Onto::kBias ? Vec<T>::loadu(bias + v * kWidth) : Vec<T>(T(0));
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) sum[r][v] = start;
  }
#pragma GCC unroll 1
  for (int64_t k = 0; k < depth; ++k) {
    Vec<T> b_k[kVectors];
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) b_k[v] = Vec<T>::loadu(b + k * ldb + v * kWidth);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vec<T> a_rk(kTransposed ? a[k * lda + r] : a[r * lda + k]);
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[r][v] = at::vec::fmadd(a_rk, b_k[v], sum[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      T* c_rv = c + r * ldc + v * kWidth;
      // Added at the end, not started from: partial sums of many tiles then stay accurate.
      if (onto == Onto::kItself) sum[r][v] = sum[r][v] + Vec<T>::loadu(c_rv);
      sum[r][v].store(c_rv);
    }
  }
}

template <class T, bool kTransposed, int kVectors>
void multiply_panel(int64_t rows, int64_t depth, const T* a, int64_t lda, const T* b, int64_t ldb,
                    Onto onto, const T* bias, T* c, int64_t ldc) {
  constexpr int kRows = Block<T>::kRows;
  const int64_t step = kTransposed ? 1 : lda;
  int64_t r = 0;
  for (; r + kRows <= rows; r += kRows) {
    multiply_block<T, kTransposed, kRows, kVectors>(depth, a + r * step, lda, b, ldb, onto, bias,
                                                    c + r * ldc, ldc);
  }
  for (; r < rows; ++r) {
    multiply_block<T, kTransposed, 1, kVectors>(depth, a + r * step, lda, b, ldb, onto, bias,
                                                c + r * ldc, ldc);
  }
}

/// c (rows × cols) = op(a) · b, added to `onto`. b is depth × cols with cols a multiple of kLane;
/// op(a) is rows × depth: a itself, or with kTransposed the transpose of a (depth × rows).
template <class T, bool kTransposed = false>
void multiply(int64_t rows, int64_t cols, int64_t depth, const T* a, int64_t lda, const T* b,
              int64_t ldb, Onto onto, const T* bias, T* c, int64_t ldc) {
  constexpr int kVectors = Block<T>::kVectors;
  constexpr int kWidth = Vec<T>::size();
  int64_t j = 0;
  const auto panel = [&](auto vectors) {
    multiply_panel<T, kTransposed, vectors>(rows, depth, a, lda, b + j, ldb, onto,
                                            onto == Onto::kBias ? bias + j : nullptr, c + j, ldc);
    j += vectors * kWidth;
  };
  while (j + kVectors * kWidth <= cols) panel(std::integral_constant<int, kVectors>{});
  while (j < cols) panel(std::integral_constant<int, 1>{});
}

// ---- Rows ---------------------------------------------------------------------------------------

/// Calls body(column, count) for every vector of `cols` columns; count is below the vector's size
/// in the last one only.
template <class T, class Body>
inline void for_each_vector(int64_t cols, const Body& body) {
  constexpr int64_t kWidth = Vec<T>::size();
  int64_t c = 0;
  for (; c + kWidth <= cols; c += kWidth) body(c, kWidth);
  if (c < cols) body(c, cols - c);
}

/// Loads `count` values; the vector's other lanes are 0.
template <class T>
inline Vec<T> load(const T* from, int64_t count) {
  return count == Vec<T>::size() ? Vec<T>::loadu(from) : Vec<T>::loadu(from, count);
}

template <class T>
inline void store(const Vec<T>& value, T* to, int64_t count) {
  if (count == Vec<T>::size()) {
    value.store(to);
  } else {
    value.store(to, count);
  }
}

template <class T>
inline void fill_zero(T* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = T(0);
}

template <class T>
inline void copy(int64_t count, const T* from, T* to) {
  for (int64_t i = 0; i < count; ++i) to[i] = from[i];
}

/// value within [-bound, bound]; NaN stays.
template <class T>
inline T clamped(T value, T bound) {
  return value < -bound ? -bound : value > bound ? bound : value;
}

/// to (rows × padded(cols)) = from with element (r, c) at from[r·row_stride + c·col_stride]; one of
/// the strides is 1.
template <class T>
void pack(int64_t rows, int64_t cols, const T* from, int64_t row_stride, int64_t col_stride, T* to,
          int64_t ld) {
  for (int64_t r = 0; r < rows; ++r) fill_zero(to + r * ld + cols, padded(cols) - cols);
  if (col_stride == 1) {
    for (int64_t r = 0; r < rows; ++r) copy(cols, from + r * row_stride, to + r * ld);
    return;
  }
  // Column by column would touch a cache line for each element: blocks are turned in registers.
  constexpr int64_t kBlock = 16;
  const int64_t whole_rows = rows - rows % kBlock, whole_cols = cols - cols % kBlock;
  for (int64_t r = 0; r < whole_rows; r += kBlock) {
    for (int64_t c = 0; c < whole_cols; c += kBlock) {
      at::vec::transpose_mxn<T, kBlock, kBlock>(from + r + c * col_stride, col_stride,
                                                to + r * ld + c, ld);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = r < whole_rows ? whole_cols : 0; c < cols; ++c) {
      to[r * ld + c] = from[r + c * col_stride];
    }
  }
}

/// sum += row 0, += row 1, …: the same bits wherever a run of rows is cut in two.
template <class T>
inline void add_rows(int64_t rows, int64_t cols, const T* tile, int64_t ld, T* sum) {
  for_each_vector<T>(cols, [&](int64_t c, int64_t count) {
    Vec<T> total = load<T>(sum + c, count);
    for (int64_t r = 0; r < rows; ++r) total = total + load<T>(tile + r * ld + c, count);
    store<T>(total, sum + c, count);
  });
}

/// sum += (row 0 + row 1 + …), which stays accurate over many tiles. cols is a multiple of kLane.
template <class T>
inline void add_row_total(int64_t rows, int64_t cols, const T* tile, int64_t ld, T* sum) {
  for (int64_t c = 0; c < cols; c += Vec<T>::size()) {
    Vec<T> total(T(0));
    for (int64_t r = 0; r < rows; ++r) total = total + Vec<T>::loadu(tile + r * ld + c);
    (total + Vec<T>::loadu(sum + c)).store(sum + c);
  }
}

/// The sum of a vector's lanes.
template <class T>
inline T total(const Vec<T>& v) {
#if defined(CPU_CAPABILITY_AVX512)
  if constexpr (std::is_same_v<T, float>) return _mm512_reduce_add_ps(v);
  if constexpr (std::is_same_v<T, double>) return _mm512_reduce_add_pd(v);
#endif
  T lanes[Vec<T>::size()];
  v.store(lanes);
  for (int half = Vec<T>::size() / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

/// Σ a·b over `count` values, a multiple of kLane.
template <class T>
inline T dot(const T* a, const T* b, int64_t count) {
  Vec<T> sum(T(0));
  for (int64_t i = 0; i < count; i += Vec<T>::size()) {
    sum = at::vec::fmadd(Vec<T>::loadu(a + i), Vec<T>::loadu(b + i), sum);
  }
  return total(sum);
}

/// values *= factor, `count` a multiple of kLane.
template <class T>
void multiply_elements(int64_t count, const T* factor, T* values) {
  for (int64_t i = 0; i < count; i += Vec<T>::size()) {
    (Vec<T>::loadu(values + i) * Vec<T>::loadu(factor + i)).store(values + i);
  }
}

/// to = Σ over threads of a padded (rows × cols) sum, element (r, c) at r·row_stride +
/// c·col_stride. The first thread's part serves as the running sum.
template <class T>
void reduce_sum(int64_t threads, int64_t rows, int64_t cols, T* const* parts, int64_t ld, T* to,
                int64_t row_stride, int64_t col_stride) {
  for (int64_t r = 0; r < rows; ++r) {
    T* row = parts[0] + r * ld;
    for (int64_t k = 1; k < threads; ++k) {
      for (int64_t c = 0; c < cols; ++c) row[c] += parts[k][r * ld + c];
    }
    if (col_stride == 1) {
      copy(cols, row, to + r * row_stride);
    } else {
      for (int64_t c = 0; c < cols; ++c) to[r * row_stride + c * col_stride] = row[c];
    }
  }
}

// ---- Work of one thread -------------------------------------------------------------------------

/// Hands out parts of a thread's scratch.
template <class T>
struct Scratch {
  T* next;
  T* take(int64_t count) {
    T* part = next;
    next += padded(count);
    return part;
  }
};

/// At most kTileRows consecutive rows.
struct RowRange {
  int64_t first, count;
};

/// Calls body for consecutive ranges of at most kTileRows.
template <class Body>
inline void for_each_tile(int64_t begin, int64_t end, const Body& body) {
  for (int64_t first = begin; first < end; first += kTileRows) {
    body(RowRange{first, end - first < kTileRows ? end - first : kTileRows});
  }
}

}  // namespace tessera::ops::CPU_CAPABILITY
