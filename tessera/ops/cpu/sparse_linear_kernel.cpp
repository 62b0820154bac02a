#include "tessera/ops/cpu/sparse_linear_kernel.h"

#include <cstring>
#include <type_traits>

#include "tessera/ops/cpu/tile.h"

namespace tessera::ops::CPU_CAPABILITY {

namespace {

template <class T>
void copy(const T* from, int64_t width, const int64_t* row, int64_t rows, const Panel<T>& panel) {
  for (int64_t i = 0; i < rows; ++i) {
    T* to = panel.values + i * panel.stride;
    std::memcpy(to, from + row[i] * width, panel.columns * sizeof(T));
    fill_zero(to + panel.columns, panel.stride - panel.columns);
  }
}

/// `kVectors` vectors of a row of the result at column c, the last of them with `count` values:
/// the sums stay in registers while the row's entries stream by.
template <class T, int kVectors>
inline void multiply_chunk(const PanelProduct<T>& p, int64_t i, int64_t c, int64_t count) {
  constexpr int64_t kWidth = Vec<T>::size();
  T* out = p.out + i * p.width + c;
  const auto count_of = [&](int v) { return v == kVectors - 1 ? count : kWidth; };
  Vec<T> sum[kVectors];
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    sum[v] = p.adds ? load<T>(out + v * kWidth, count_of(v)) : Vec<T>(T(0));
  }
  const T* first = p.panel.values - p.first * p.panel.stride + c;
  for (int64_t k = p.begin[i]; k < p.end[i]; ++k) {
    const T* from = first + p.index[k] * p.panel.stride;
    const Vec<T> coefficient(p.coefficient[k]);
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      sum[v] = at::vec::fmadd(coefficient, Vec<T>::loadu(from + v * kWidth), sum[v]);
    }
  }
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) store<T>(sum[v], out + v * kWidth, count_of(v));
}

template <class T>
void multiply(const PanelProduct<T>& p, int64_t begin, int64_t end) {
  constexpr int64_t kWidth = Vec<T>::size();
  for (int64_t i = begin; i < end; ++i) {
    if (p.adds && p.begin[i] == p.end[i]) continue;
    int64_t c = 0;
    const auto chunks = [&](auto vectors) {
      constexpr int64_t kColumns = vectors * kWidth;
      for (; c + kColumns <= p.panel.columns; c += kColumns) {
        multiply_chunk<T, vectors>(p, i, c, kWidth);
      }
    };
    chunks(std::integral_constant<int, 8>{});
    chunks(std::integral_constant<int, 4>{});
    chunks(std::integral_constant<int, 1>{});
    if (c < p.panel.columns) multiply_chunk<T, 1>(p, i, c, p.panel.columns - c);
  }
}

template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;

/// Whether any value has a bit of `mark(bits)`. Looks at the answer once in 32 values only, so
/// that the loop between is one of vectors.
template <class T, class Mark>
bool any_marked(const T* values, int64_t count, const Mark& mark) {
  constexpr int64_t kBlock = 32;
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t end = begin + kBlock < count ? begin + kBlock : count;
    Bits<T> marks = 0;
    for (int64_t i = begin; i < end; ++i) {
      Bits<T> bits;
      std::memcpy(&bits, values + i, sizeof(bits));
      marks |= mark(bits);
    }
    if (marks != 0) return true;
  }
  return false;
}

template <class T>
bool is_zero(const T* values, int64_t count) {
  return !any_marked(values, count, [](Bits<T> bits) { return bits << 1; });
}

template <class T>
bool is_finite(const T* values, int64_t count) {
  constexpr Bits<T> kExponent = sizeof(T) == 4 ? 0x7F800000 : 0x7FF0000000000000;
  return !any_marked(values, count, [](Bits<T> bits) {
    return static_cast<Bits<T>>((bits & kExponent) == kExponent);
  });
}

}  // namespace

template <class T>
SparseLinearKernels<T> sparse_linear_kernels() {
  return {
      .copy = copy<T>, .multiply = multiply<T>, .is_zero = is_zero<T>, .is_finite = is_finite<T>};
}

template SparseLinearKernels<float> sparse_linear_kernels<float>();
template SparseLinearKernels<double> sparse_linear_kernels<double>();

}  // namespace tessera::ops::CPU_CAPABILITY
