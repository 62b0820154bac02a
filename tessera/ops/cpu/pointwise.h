#pragma once

// Activations on vectors. Included by kernel files only, like tile.h.

#include <ATen/cpu/vec/vec.h>

#include <type_traits>

#include "tessera/ops/activation_kind.h"

namespace tessera::ops::CPU_CAPABILITY {

template <class T>
using Vec = at::vec::Vectorized<T>;

/// e^x. Float: relative error below 1.2e-7 between -87 and 88, clamped outside.
template <class T>
inline Vec<T> exponential(const Vec<T>& x) {
#if defined(CPU_CAPABILITY_AVX512) || defined(CPU_CAPABILITY_AVX2)
  if constexpr (std::is_same_v<T, float>) {
    // e^x = 2^n e^r with |r| <= ln(2)/2; e^r - 1 - r by a polynomial of least relative error (3e-9).
    const Vec<T> clamped = at::vec::clamp(x, Vec<T>(-87.0f), Vec<T>(88.0f));
    const Vec<T> n = (clamped * Vec<T>(1.44269504f)).round();
    // ln(2) in two parts, so that n·ln(2) loses no digits.
    Vec<T> r = at::vec::fmadd(n, Vec<T>(-0.693359375f), clamped);
    r = at::vec::fmadd(n, Vec<T>(2.12194440e-4f), r);
    Vec<T> p = at::vec::fmadd(Vec<T>(0.0013814540579915047f), r, Vec<T>(0.00836874544620514f));
    p = at::vec::fmadd(p, r, Vec<T>(0.04166838899254799f));
    p = at::vec::fmadd(p, r, Vec<T>(0.1666652113199234f));
    p = at::vec::fmadd(p, r, Vec<T>(0.4999999403953552f));
    p = at::vec::fmadd(p, r, Vec<T>(1.0f));
    p = at::vec::fmadd(p, r, Vec<T>(1.0f));
#if defined(CPU_CAPABILITY_AVX512)
    return _mm512_scalef_ps(p, n);
#else
    const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
#endif
  }
#endif
  return x.exp();
}

/// 1 / x.
template <class T>
inline Vec<T> reciprocal(const Vec<T>& x) {
#if defined(CPU_CAPABILITY_AVX512) && defined(RCP)
  if constexpr (std::is_same_v<T, float>) {
    // One Newton step from 14 bits: cheaper than a division, error below 1.5 ulp.
    const Vec<T> guess = _mm512_rcp14_ps(x);
    return at::vec::fmadd(guess, at::vec::fnmadd(x, guess, Vec<T>(1.0f)), guess);
  }
#endif
  return Vec<T>(T(1)) / x;
}

template <class T>
inline Vec<T> sigmoid(const Vec<T>& x) {
  return reciprocal<T>(Vec<T>(T(1)) + exponential<T>(x.neg()));
}
}
