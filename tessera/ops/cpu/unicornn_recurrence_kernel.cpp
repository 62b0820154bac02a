#include "tessera/ops/cpu/unicornn_recurrence_kernel.h"

#include <cmath>
#include <type_traits>

#include "tessera/ops/cpu/tile.h"

namespace tessera::ops::CPU_CAPABILITY {

namespace {

// ---- tanh ---------------------------------------------------------------------------------------

#if defined(CPU_CAPABILITY_AVX512) || defined(CPU_CAPABILITY_AVX2)

#if defined(CPU_CAPABILITY_AVX512)
inline Vec<float> at_most(const Vec<float>& x, float bound) {
  // The second operand is returned where one is NaN.
  return _mm512_min_ps(_mm512_set1_ps(bound), x);
}
inline Vec<float> power_of_two(const Vec<float>& n) {
  return _mm512_scalef_ps(_mm512_set1_ps(1.0f), n);
}
inline Vec<float> with_sign_of(const Vec<float>& size, const Vec<float>& x) {
  const __m512 sign = _mm512_set1_ps(-0.0f);
  return _mm512_or_ps(size, _mm512_and_ps(x, sign));
}
#else
inline Vec<float> at_most(const Vec<float>& x, float bound) {
  return _mm256_min_ps(_mm256_set1_ps(bound), x);
}
inline Vec<float> power_of_two(const Vec<float>& n) {
  const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
  return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
}
inline Vec<float> with_sign_of(const Vec<float>& size, const Vec<float>& x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return _mm256_or_ps(size, _mm256_and_ps(x, sign));
}
#endif

// (e^r − 1 − r) / r² for |r| ≤ ln(2)/2: e^r has a relative error below 1e-8.
constexpr float kE2 = 0.49999997f, kE3 = 0.16666543f, kE4 = 0.0416672f, kE5 = 0.0083665475f,
                kE6 = 0.0013882517f;
// (tanh(x) / x − 1) / x² in powers of x² for |x| ≤ 0.625: tanh has a relative error below 1e-8.
constexpr float kT0 = -0.3333328f, kT1 = 0.1333142f, kT2 = -0.053737797f, kT3 = 0.020632545f,
                kT4 = -0.0056973826f;

/// Within 2 ulp. A polynomial up to |x| = 0.625; beyond, with e = e^u and u = −2|x|,
/// tanh|x| = 1 − 2e / (1 + e).
inline Vec<float> tanh_of(const Vec<float>& x) {
  using V = Vec<float>;
  using at::vec::fmadd;
  // tanh rounds to 1 from 9.011 on.
  const V size = at_most(x.abs(), 9.02f), u = size * V(-2.0f);
  const V n = (u * V(1.44269504f)).round();
  const V r = fmadd(n, V(-0.69314718f), u);
  const V r2 = r * r;
  const V p = fmadd(
      fmadd(fmadd(r2, V(kE6), fmadd(r, V(kE5), V(kE4))), r2, fmadd(r, V(kE3), V(kE2))), r2, r);
  const V power = power_of_two(n), e = fmadd(power, p, power);
  const V large = V(1.0f) - (e + e) / (e + V(1.0f));

  const V x2 = size * size, x4 = x2 * x2;
  const V series =
      fmadd(fmadd(fmadd(x4, V(kT4), fmadd(x2, V(kT3), V(kT2))), x4, fmadd(x2, V(kT1), V(kT0))),
            x2 * size, size);
  return with_sign_of(V::blendv(large, series, size < V(0.625f)), x);
}

inline Vec<double> tanh_of(const Vec<double>& x) { return x.tanh(); }

#else

// The C library's tanhf is not within 2 ulp.
inline Vec<float> tanh_of(const Vec<float>& x) {
  return x.map([](float value) { return static_cast<float>(std::tanh(double(value))); });
}

inline Vec<double> tanh_of(const Vec<double>& x) { return x.tanh(); }

#endif

// ---- Recurrence ---------------------------------------------------------------------------------

// Chains are independent and a step is one long chain of dependent operations: several vectors are
// stepped side by side so that the units stay busy. Their states stay in registers.
template <class T>
constexpr int kForwardGroup = 4;
template <class T>
constexpr int kBackwardGroup = 4;

/// Calls body(group, first, count) for vectors of chains: `group` of them where there are as many,
/// else one; count is below a vector in the last one only.
template <class T, int kGroup, class Body>
inline void for_each_group(int64_t begin, int64_t end, const Body& body) {
  constexpr int64_t kWidth = Vec<T>::size();
  int64_t i = begin;
  for (; i + kGroup * kWidth <= end; i += kGroup * kWidth) {
    body(std::integral_constant<int, kGroup>{}, i, kWidth);
  }
  for (; i + kWidth <= end; i += kWidth) body(std::integral_constant<int, 1>{}, i, kWidth);
  if (i < end) body(std::integral_constant<int, 1>{}, i, end - i);
}

/// kWhole: `count` is a whole vector, which the compiler then knows.
template <class T, bool kWhole>
inline Vec<T> get(const T* from, int64_t count) {
  return kWhole ? Vec<T>::loadu(from) : load<T>(from, count);
}
template <class T, bool kWhole>
inline void put(const Vec<T>& value, T* to, int64_t count) {
  if (kWhole) {
    value.store(to);
  } else {
    store<T>(value, to, count);
  }
}

template <class T, int kGroup, bool kWhole, bool kBackInTime, bool kMask>
void step_group(const UnicornnChains<T>& chains, const UnicornnForward<T>& run, int64_t first,
                int64_t count) {
  using V = Vec<T>;
  constexpr int64_t kWidth = V::size();
  V y[kGroup], z[kGroup], w[kGroup], s[kGroup], mask[kGroup];
#pragma GCC unroll 8
  for (int v = 0; v < kGroup; ++v) {
    const int64_t i = first + v * kWidth;
    y[v] = get<T, kWhole>(run.y + i, count);
    z[v] = get<T, kWhole>(run.z + i, count);
    w[v] = get<T, kWhole>(chains.w + i, count);
    s[v] = get<T, kWhole>(chains.s + i, count);
    if (kMask) mask[v] = get<T, kWhole>(run.mask + i, count);
  }
  const V alpha(chains.alpha);
  const int64_t last = run.steps - 1;
  for (int64_t step = 0; step < run.steps; ++step) {
    const int64_t at = (kBackInTime ? last - step : step) * chains.stride + first;
#pragma GCC unroll 8
    for (int v = 0; v < kGroup; ++v) {
      const V q = get<T, kWhole>(run.q + at + v * kWidth, count);
      if (kBackInTime) {
        if (run.y_out != nullptr) {
          put<T, kWhole>(kMask ? y[v] * mask[v] : y[v], run.y_out + at + v * kWidth, count);
        }
        y[v] = at::vec::fmadd(s[v].neg(), z[v], y[v]);
      }
      const V a = tanh_of(at::vec::fmadd(w[v], y[v], q));
      const V force = at::vec::fmadd(alpha, y[v], a);
      z[v] = at::vec::fmadd(kBackInTime ? s[v] : s[v].neg(), force, z[v]);
      if (!kBackInTime) {
        y[v] = at::vec::fmadd(s[v], z[v], y[v]);
        if (run.y_out != nullptr) {
          put<T, kWhole>(kMask ? y[v] * mask[v] : y[v], run.y_out + at + v * kWidth, count);
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int v = 0; v < kGroup; ++v) {
    put<T, kWhole>(y[v], run.y + first + v * kWidth, count);
    put<T, kWhole>(z[v], run.z + first + v * kWidth, count);
  }
}

template <class T, bool kBackInTime>
void step_chains(const UnicornnChains<T>& chains, const UnicornnForward<T>& run, int64_t begin,
                 int64_t end) {
  for_each_group<T, kForwardGroup<T>>(begin, end, [&](auto group, int64_t first, int64_t count) {
    const bool whole = count == Vec<T>::size();
    if (run.mask != nullptr) {
      whole ? step_group<T, group, true, kBackInTime, true>(chains, run, first, count)
            : step_group<T, 1, false, kBackInTime, true>(chains, run, first, count);
    } else {
      whole ? step_group<T, group, true, kBackInTime, false>(chains, run, first, count)
            : step_group<T, 1, false, kBackInTime, false>(chains, run, first, count);
    }
  });
}

template <class T, int kGroup, bool kWhole, bool kGradient, bool kMask>
void backward_group(const UnicornnChains<T>& chains, const UnicornnBackward<T>& run, int64_t first,
                    int64_t count) {
  using V = Vec<T>;
  constexpr int64_t kWidth = V::size();
  // δz is kept with the opposite sign, as every use of it wants.
  V y[kGroup], z[kGroup], d_y[kGroup], minus_d_z[kGroup], sum_w[kGroup], sum_c[kGroup],
      sum_q[kGroup];
#pragma GCC unroll 8
  for (int v = 0; v < kGroup; ++v) {
    const int64_t i = first + v * kWidth;
    y[v] = get<T, kWhole>(run.y + i, count);
    z[v] = get<T, kWhole>(run.z + i, count);
    d_y[v] = get<T, kWhole>(run.d_y + i, count);
    minus_d_z[v] = get<T, kWhole>(run.d_z + i, count).neg();
    sum_w[v] = sum_c[v] = sum_q[v] = V(T(0));
  }
  const V alpha(chains.alpha), one(T(1));
  for (int64_t step = run.steps - 1; step >= 0; --step) {
    const int64_t at = step * chains.stride + first;
#pragma GCC unroll 8
    for (int v = 0; v < kGroup; ++v) {
      const int64_t i = first + v * kWidth, j = at + v * kWidth;
      const V w = get<T, kWhole>(chains.w + i, count), s = get<T, kWhole>(chains.s + i, count);
      V mask;
      if (kMask) mask = get<T, kWhole>(run.mask + i, count);
      if (kGradient) {
        V g = get<T, kWhole>(run.g + j, count);
        if (run.sum_mask != nullptr) {
          const V sum = get<T, kWhole>(run.sum_mask + i, count);
          put<T, kWhole>(at::vec::fmadd(g, y[v], sum), run.sum_mask + i, count);
        }
        d_y[v] = kMask ? at::vec::fmadd(g, mask, d_y[v]) : d_y[v] + g;
      }
      if (run.y_out != nullptr) {
        put<T, kWhole>(kMask ? y[v] * mask : y[v], run.y_out + j, count);
      }
      sum_c[v] = at::vec::fmadd(d_y[v], z[v], sum_c[v]);
      y[v] = at::vec::fmadd(s.neg(), z[v], y[v]);
      const V a = tanh_of(at::vec::fmadd(w, y[v], get<T, kWhole>(run.q + j, count)));
      const V force = at::vec::fmadd(alpha, y[v], a);
      z[v] = at::vec::fmadd(s, force, z[v]);
      minus_d_z[v] = at::vec::fmadd(s.neg(), d_y[v], minus_d_z[v]);
      sum_c[v] = at::vec::fmadd(minus_d_z[v], force, sum_c[v]);
      const V along = minus_d_z[v] * s;
      const V d_q = along * at::vec::fmadd(a.neg(), a, one);
      put<T, kWhole>(d_q, run.d_q + j, count);
      sum_w[v] = at::vec::fmadd(d_q, y[v], sum_w[v]);
      sum_q[v] = sum_q[v] + d_q;
      d_y[v] = at::vec::fmadd(along, alpha, at::vec::fmadd(d_q, w, d_y[v]));
    }
  }
#pragma GCC unroll 8
  for (int v = 0; v < kGroup; ++v) {
    const int64_t i = first + v * kWidth;
    const auto add = [&](const V& value, T* to) {
      put<T, kWhole>(get<T, kWhole>(to + i, count) + value, to + i, count);
    };
    put<T, kWhole>(y[v], run.y + i, count);
    put<T, kWhole>(z[v], run.z + i, count);
    put<T, kWhole>(d_y[v], run.d_y + i, count);
    put<T, kWhole>(minus_d_z[v].neg(), run.d_z + i, count);
    add(sum_w[v], run.sum_w);
    add(sum_c[v], run.sum_c);
    add(sum_q[v], run.sum_q);
  }
}

template <class T, bool kGradient, bool kMask>
void backward_range(const UnicornnChains<T>& chains, const UnicornnBackward<T>& run, int64_t begin,
                    int64_t end) {
  for_each_group<T, kBackwardGroup<T>>(begin, end, [&](auto group, int64_t first, int64_t count) {
    if (count == Vec<T>::size()) {
      backward_group<T, group, true, kGradient, kMask>(chains, run, first, count);
    } else {
      backward_group<T, 1, false, kGradient, kMask>(chains, run, first, count);
    }
  });
}

template <class T>
void backward_chains(const UnicornnChains<T>& chains, const UnicornnBackward<T>& run, int64_t begin,
                     int64_t end) {
  if (run.g == nullptr) {
    run.mask == nullptr ? backward_range<T, false, false>(chains, run, begin, end)
                        : backward_range<T, false, true>(chains, run, begin, end);
  } else {
    run.mask == nullptr ? backward_range<T, true, false>(chains, run, begin, end)
                        : backward_range<T, true, true>(chains, run, begin, end);
  }
}

// ---- Few input columns --------------------------------------------------------------------------

template <class T>
void drive(int64_t in, int64_t cols, const T* x, const T* v, const T* bias, T* out, int64_t begin,
           int64_t end) {
  for (int64_t r = begin; r < end; ++r) {
    for_each_vector<T>(cols, [&](int64_t c, int64_t count) {
      Vec<T> sum = load<T>(bias + c, count);
      for (int64_t k = 0; k < in; ++k) {
        sum = at::vec::fmadd(Vec<T>(x[r * in + k]), load<T>(v + k * cols + c, count), sum);
      }
      store<T>(sum, out + r * cols + c, count);
    });
  }
}

template <class T, int kIn>
void gather_columns(int64_t rows, int64_t in, int64_t cols, const T* x, const T* d, T* sum,
                    int64_t begin, int64_t end) {
  for_each_vector<T>(end - begin, [&](int64_t offset, int64_t count) {
    const int64_t c = begin + offset;
    // Two sums each, so that one addition need not wait for the last.
    Vec<T> even[kIn], odd[kIn];
#pragma GCC unroll 8
    for (int k = 0; k < kIn; ++k) even[k] = odd[k] = Vec<T>(T(0));
    int64_t r = 0;
    for (; r + 2 <= rows; r += 2) {
      const Vec<T> d_0 = load<T>(d + r * cols + c, count),
                   d_1 = load<T>(d + (r + 1) * cols + c, count);
#pragma GCC unroll 8
      for (int k = 0; k < kIn; ++k) {
        even[k] = at::vec::fmadd(Vec<T>(x[r * in + k]), d_0, even[k]);
        odd[k] = at::vec::fmadd(Vec<T>(x[(r + 1) * in + k]), d_1, odd[k]);
      }
    }
#pragma GCC unroll 8
    for (int k = 0; k < kIn; ++k) {
      if (r < rows) {
        even[k] = at::vec::fmadd(Vec<T>(x[r * in + k]), load<T>(d + r * cols + c, count), even[k]);
      }
      T* const to = sum + k * cols + c;
      store<T>(load<T>(to, count) + (even[k] + odd[k]), to, count);
    }
  });
}

template <class T>
void gather(int64_t rows, int64_t in, int64_t cols, const T* x, const T* d, T* sum, int64_t begin,
            int64_t end) {
  int64_t k = 0;
  for (; k + 4 <= in; k += 4) {
    gather_columns<T, 4>(rows, in, cols, x + k, d, sum + k * cols, begin, end);
  }
  for (; k + 2 <= in; k += 2) {
    gather_columns<T, 2>(rows, in, cols, x + k, d, sum + k * cols, begin, end);
  }
  if (k < in) gather_columns<T, 1>(rows, in, cols, x + k, d, sum + k * cols, begin, end);
}

template <class T>
void tanh_values(int64_t count, const T* from, T* to) {
  for_each_vector<T>(
      count, [&](int64_t i, int64_t n) { store<T>(tanh_of(load<T>(from + i, n)), to + i, n); });
}

}  // namespace

template <class T>
UnicornnKernels<T> unicornn_kernels() {
  return {.forward = step_chains<T, false>,
          .rebuild = step_chains<T, true>,
          .backward = backward_chains<T>,
          .drive = drive<T>,
          .gather = gather<T>,
          .tanh = tanh_values<T>};
}

template UnicornnKernels<float> unicornn_kernels<float>();
template UnicornnKernels<double> unicornn_kernels<double>();

}  // namespace tessera::ops::CPU_CAPABILITY
