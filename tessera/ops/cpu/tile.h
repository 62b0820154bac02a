#pragma once

// Small dense algebra on tiles that stay in the cache. Included by kernel files only, which are
// compiled once per instruction set: everything lives in a namespace of that set's name.
//
// A tile is row-major; its rows are `padded` to whole cache lines with zeros behind the last column,
// so that loops over columns have no tails. Only the caller's own arrays are loaded and stored with
// a count.

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
    multiply_panel<T, kTransposed, vectors>(rows, depth, a, lda, b + j, ldb, onto, bias + j, c + j,
                                            ldc);
    j += vectors * kWidth;
  };
  while (j + kVectors * kWidth <= cols) panel(std::integral_constant<int, kVectors>{});
  while (j < cols) panel(std::integral_constant<int, 1>{});
}

}  // namespace tessera::ops::CPU_CAPABILITY
