#pragma once

// Activations on vectors and tiles. Included by kernel files only, like tile.h.

#include <type_traits>

#include "tessera/ops/cpu/tile.h"
#include "tessera/ops/kinds.h"

namespace tessera::ops::CPU_CAPABILITY {

/// e^x; 0 or infinity where that leaves the dtype's range. Float: relative error below 1.3e-7.
template <class T>
inline Vec<T> exponential(const Vec<T>& x) {
#if defined(CPU_CAPABILITY_AVX512) || defined(CPU_CAPABILITY_AVX2)
  // ATen's own is either half as fast (sleef) or loses three bits (exp_u20).
  if constexpr (std::is_same_v<T, float>) {
#if defined(CPU_CAPABILITY_AVX512)
    const Vec<T> y = at::vec::maximum(x, Vec<T>(-104.0f));
#else
    const Vec<T> y = at::vec::clamp(x, Vec<T>(-87.0f), Vec<T>(88.0f));
#endif
    // e^y = 2^n e^r with |r| ≤ ln(2)/2; the polynomial's relative error is 3e-9.
    const Vec<T> n = (y * Vec<T>(1.44269504f)).round();
    const Vec<T> r = at::vec::fmadd(n, Vec<T>(-0.69314718f), y);
    Vec<T> p = at::vec::fmadd(Vec<T>(0.0013814541f), r, Vec<T>(0.0083687454f));
    p = at::vec::fmadd(p, r, Vec<T>(0.041668389f));
    p = at::vec::fmadd(p, r, Vec<T>(0.16666521f));
    p = at::vec::fmadd(p, r, Vec<T>(0.49999994f));
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

template <class T>
inline Vec<T> sigmoid(const Vec<T>& x) {
  const Vec<T> one(T(1));
  return one / (one + exponential<T>(x.neg()));
}

struct Silu {
  template <class T>
  static Vec<T> value(const Vec<T>& z) {
    return z / (Vec<T>(T(1)) + exponential<T>(z.neg()));
  }
  template <class T>
  static void value_and_slope(const Vec<T>& z, Vec<T>& value, Vec<T>& slope) {
    const Vec<T> s = sigmoid<T>(z);
    value = z * s;
    slope = at::vec::fmadd(value, Vec<T>(T(1)) - s, s);
  }
};

struct Relu {
  template <class T>
  static Vec<T> value(const Vec<T>& z) {
    return at::vec::maximum(z, Vec<T>(T(0)));
  }
  template <class T>
  static void value_and_slope(const Vec<T>& z, Vec<T>& value, Vec<T>& slope) {
    value = Relu::value<T>(z);
    slope = Vec<T>::blendv(Vec<T>(T(0)), Vec<T>(T(1)), z > Vec<T>(T(0)));
  }
};

struct LeakyRelu {
  template <class T>
  static Vec<T> value(const Vec<T>& z) {
    return Vec<T>::blendv(z * Vec<T>(T(kLeakySlope)), z, z > Vec<T>(T(0)));
  }
  template <class T>
  static void value_and_slope(const Vec<T>& z, Vec<T>& value, Vec<T>& slope) {
    value = LeakyRelu::value<T>(z);
    slope = Vec<T>::blendv(Vec<T>(T(kLeakySlope)), Vec<T>(T(1)), z > Vec<T>(T(0)));
  }
};

template <class Body>
inline void with_activation(Activation activation, const Body& body) {
  switch (activation) {
    case Activation::kSilu:
      return body(Silu{});
    case Activation::kRelu:
      return body(Relu{});
    case Activation::kLeakyRelu:
      return body(LeakyRelu{});
  }
}

/// out = act(z), `count` a multiple of kLane; out may be z.
template <class T>
void activate(Activation activation, int64_t count, const T* z, T* out) {
  with_activation(activation, [&](auto act) {
    for (int64_t i = 0; i < count; i += Vec<T>::size()) {
      act.template value<T>(Vec<T>::loadu(z + i)).store(out + i);
    }
  });
}

/// value = act(z) and slope = act'(z); either may be z.
template <class T>
void activate_with_slope(Activation activation, int64_t count, const T* z, T* value, T* slope) {
  with_activation(activation, [&](auto act) {
    for (int64_t i = 0; i < count; i += Vec<T>::size()) {
      Vec<T> v, s;
      act.template value_and_slope<T>(Vec<T>::loadu(z + i), v, s);
      v.store(value + i);
      s.store(slope + i);
    }
  });
}

}  // namespace tessera::ops::CPU_CAPABILITY
