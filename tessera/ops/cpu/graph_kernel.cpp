#include "tessera/ops/cpu/graph_kernel.h"

#include <limits>

#include "tessera/ops/cpu/pointwise.h"
#include "tessera/ops/cpu/tile.h"

namespace tessera::ops::CPU_CAPABILITY {

namespace {

// ---- Gather -------------------------------------------------------------------------------------

/// `kVectors` vectors of a row at column c; `count` is below a vector in the last one only; `last`
/// is the end of all entries. The sums stay in registers while the row's entries stream by.
template <class T, int kVectors, bool kWhole, bool kOut, bool kDot>
inline void gather_chunk(const Gather<T>& g, int64_t i, int64_t last, int64_t c, int64_t count) {
  constexpr int64_t kWidth = Vec<T>::size(), kAhead = 6;
  const auto get = [&](const T* from, int v) {
    return kWhole ? Vec<T>::loadu(from + v * kWidth) : load<T>(from, count);
  };
  const int64_t begin = g.ptr[i], end = g.ptr[i + 1];
  Vec<T> sum[kVectors], with[kVectors];
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) sum[v] = Vec<T>(T(0));
  if constexpr (kDot) {
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) with[v] = get(g.with + i * g.width + c, v);
  }
  if (g.self != nullptr) {
    Vec<T> products(T(0));
    const Vec<T> scale(g.self_scale[i]);
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const Vec<T> own = get(g.self + i * g.width + c, v);
      if constexpr (kOut) sum[v] = scale * own;
      if constexpr (kDot) products = at::vec::fmadd(own, with[v], products);
    }
    if constexpr (kDot) {
      if (g.self_dot != nullptr) g.self_dot[i] = (c == 0 ? T(0) : g.self_dot[i]) + total(products);
    }
  }
  for (int64_t k = begin; k < end; ++k) {
    const T* from = g.from + g.index[k] * g.width + c;
    // Rows further on, of later rows of the result too. Without products the processor keeps up.
    if constexpr (kDot && kVectors > 1) {
      const T* ahead = g.from + g.index[k + kAhead < last ? k + kAhead : k] * g.width + c;
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) __builtin_prefetch(ahead + v * kWidth);
    }
    const Vec<T> coefficient(kOut ? g.coefficient[k] : T(0));
    // Two sums, so that one addition need not wait for the last.
    Vec<T> even(T(0)), odd(T(0));
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const Vec<T> value = get(from, v);
      if constexpr (kOut) sum[v] = at::vec::fmadd(coefficient, value, sum[v]);
      if constexpr (kDot) {
        Vec<T>& products = v % 2 == 0 ? even : odd;
        products = at::vec::fmadd(value, with[v], products);
      }
    }
    if constexpr (kDot) g.dot[k] = (c == 0 ? T(0) : g.dot[k]) + total(even + odd);
  }
  if constexpr (kOut) {
    const Vec<T> scale(g.scale == nullptr ? T(1) : g.scale[i]);
#pragma GCC unroll 8
    for (int v = 0; v < kVectors; ++v) {
      const Vec<T> result = scale * sum[v];
      T* to = g.out + i * g.width + c + v * kWidth;
      if constexpr (kWhole) {
        result.store(to);
      } else {
        store<T>(result, to, count);
      }
    }
  }
}

template <class T, bool kOut, bool kDot>
void gather_rows(const Gather<T>& g, int64_t begin, int64_t end) {
  constexpr int64_t kWidth = Vec<T>::size();
#if defined(CPU_CAPABILITY_AVX512)
  constexpr int kMost = 8;
#else
  constexpr int kMost = kDot ? 4 : 8;
#endif
  const int64_t last = g.ptr[end];
  for (int64_t i = begin; i < end; ++i) {
    int64_t c = 0;
    for (; c + kMost * kWidth <= g.width; c += kMost * kWidth) {
      gather_chunk<T, kMost, true, kOut, kDot>(g, i, last, c, kWidth);
    }
    for (; c + 4 * kWidth <= g.width; c += 4 * kWidth) {
      gather_chunk<T, 4, true, kOut, kDot>(g, i, last, c, kWidth);
    }
    for (; c < g.width; c += kWidth) {
      const int64_t count = g.width - c < kWidth ? g.width - c : kWidth;
      gather_chunk<T, 1, false, kOut, kDot>(g, i, last, c, count);
    }
  }
}

template <class T>
void gather(const Gather<T>& g, int64_t begin, int64_t end) {
  if (g.out != nullptr && g.dot != nullptr) return gather_rows<T, true, true>(g, begin, end);
  if (g.out != nullptr) return gather_rows<T, true, false>(g, begin, end);
  if (g.dot != nullptr) return gather_rows<T, false, true>(g, begin, end);
}

// ---- Softmax ------------------------------------------------------------------------------------

template <class T>
void softmax(const RowSoftmax<T>& s, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t first = s.ptr[i], last = s.ptr[i + 1];
    for_each_vector<T>(s.heads, [&](int64_t h, int64_t count) {
      Vec<T> most(-std::numeric_limits<T>::infinity());
      for (int64_t k = first; k < last; ++k) {
        most = at::vec::maximum(most, load<T>(s.value + s.place[k] * s.heads + h, count));
      }
      Vec<T> sum(T(0));
      for (int64_t k = first; k < last; ++k) {
        const int64_t at = s.place[k] * s.heads + h;
        const Vec<T> power = exponential<T>(load<T>(s.value + at, count) - most);
        sum = sum + power;
        store<T>(power, s.out + at, count);
      }
      const Vec<T> factor = Vec<T>(T(1)) / sum;
      for (int64_t k = first; k < last; ++k) {
        T* to = s.out + s.place[k] * s.heads + h;
        store<T>(load<T>(to, count) * factor, to, count);
      }
    });
  }
}

template <class T>
void softmax_backward(const RowSoftmax<T>& s, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t first = s.ptr[i], last = s.ptr[i + 1];
    for_each_vector<T>(s.heads, [&](int64_t h, int64_t count) {
      Vec<T> sum(T(0));
      for (int64_t k = first; k < last; ++k) {
        const int64_t at = s.place[k] * s.heads + h;
        sum = at::vec::fmadd(load<T>(s.value + at, count), load<T>(s.d + at, count), sum);
      }
      for (int64_t k = first; k < last; ++k) {
        const int64_t at = s.place[k] * s.heads + h;
        const Vec<T> d = load<T>(s.value + at, count) * (load<T>(s.d + at, count) - sum);
        store<T>(d, s.out + at, count);
      }
    });
  }
}

// ---- Adam ---------------------------------------------------------------------------------------

template <class T>
struct Moments {
  Vec<T> avg, square;
};

/// torch's formula: the value after a step along gradient g.
template <class T>
inline Vec<T> adam_step(const SparsityAdam<T>& a, const Vec<T>& value, Vec<T> g, Moments<T>& m) {
  using at::vec::fmadd;
  g = fmadd(Vec<T>(a.weight_decay), value, g);
  m.avg = fmadd(Vec<T>(a.one_minus_beta1), g - m.avg, m.avg);
  m.square = fmadd(Vec<T>(a.one_minus_beta2) * g, g, Vec<T>(a.beta2) * m.square);
  const Vec<T> root = m.square.sqrt() / Vec<T>(a.root_correction) + Vec<T>(a.eps);
  return value - Vec<T>(a.step) * m.avg / root;
}

template <class T>
inline Vec<T> sign_of(const Vec<T>& x) {
  const Vec<T> zero(T(0)), one(T(1));
  return Vec<T>::blendv(zero, one, x > zero) - Vec<T>::blendv(zero, one, x < zero);
}

template <class T, bool kWeight, bool kFixed>
void adam_values(const SparsityAdam<T>& a, int64_t begin, int64_t end) {
  for_each_vector<T>(end - begin, [&](int64_t offset, int64_t count) {
    const int64_t i = begin + offset;
    const Vec<T> one(T(1));
    const Vec<T> mask = load<T>(a.mask + i, count);
    const Vec<T> weight = kWeight ? load<T>(a.weight + i, count) : one;
    const Vec<T> fixed = kFixed ? load<T>(a.fixed + i, count) : one;
    const Vec<T> d = load<T>(a.d_effective + i, count) * fixed;

    Moments<T> m{load<T>(a.mask_avg + i, count), load<T>(a.mask_square + i, count)};
    const Vec<T> d_mask = at::vec::fmadd(Vec<T>(a.l1), sign_of<T>(mask), d * weight);
    const Vec<T> new_mask = adam_step<T>(a, mask, d_mask, m);
    store<T>(new_mask, a.mask + i, count);
    store<T>(m.avg, a.mask_avg + i, count);
    store<T>(m.square, a.mask_square + i, count);

    Vec<T> new_weight = one;
    if constexpr (kWeight) {
      Moments<T> w{load<T>(a.weight_avg + i, count), load<T>(a.weight_square + i, count)};
      new_weight = adam_step<T>(a, weight, d * mask, w);
      store<T>(new_weight, a.weight + i, count);
      store<T>(w.avg, a.weight_avg + i, count);
      store<T>(w.square, a.weight_square + i, count);
    }
    if (a.effective != nullptr) store<T>(new_weight * new_mask * fixed, a.effective + i, count);
  });
}

template <class T>
void adam(const SparsityAdam<T>& a, int64_t begin, int64_t end) {
  const bool has_weight = a.weight != nullptr, has_fixed = a.fixed != nullptr;
  if (has_weight && has_fixed) return adam_values<T, true, true>(a, begin, end);
  if (has_weight) return adam_values<T, true, false>(a, begin, end);
  if (has_fixed) return adam_values<T, false, true>(a, begin, end);
  adam_values<T, false, false>(a, begin, end);
}

}  // namespace

template <class T>
GraphKernels<T> graph_kernels() {
  return {.gather = gather<T>,
          .softmax = softmax<T>,
          .softmax_backward = softmax_backward<T>,
          .adam = adam<T>};
}

template GraphKernels<float> graph_kernels<float>();
template GraphKernels<double> graph_kernels<double>();

}  // namespace tessera::ops::CPU_CAPABILITY
