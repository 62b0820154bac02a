#include "tessera/ops/cpu/mmse_threshold_search_kernel.h"

#include <ATen/cpu/vec/vec.h>

namespace tessera::ops::CPU_CAPABILITY {

namespace {

template <class T>
using Vec = at::vec::Vectorized<T>;

template <class T>
double total(const Vec<T>& v) {
  T lanes[Vec<T>::size()];
  v.store(lanes);
  double sum = 0;
  for (const T lane : lanes) sum += lane;
  return sum;
}

/// Division by a constant: x·(1/y), corrected by its remainder, is the rounded quotient
/// (Markstein), at a fraction of the cost. Exactness matters: the maximum must fall on the last
/// step.
template <class T>
struct Divisor {
  Vec<T> y, reciprocal;
  explicit Divisor(T value) : y(value), reciprocal(T(1) / value) {}
  Vec<T> operator()(const Vec<T>& x) const {
#ifdef CPU_CAPABILITY_DEFAULT
    return x / y;  // without fused multiply-adds the remainder is lost
#endif
    const Vec<T> quotient = x * reciprocal;
    const Vec<T> remainder = at::vec::fnmadd(quotient, y, x);
    return at::vec::fmadd(remainder, reciprocal, quotient);
  }
};

/// kScales: steps is a power of two, so that a division by it is an exact product, which c may as
/// well have had before.
template <class T, bool kScales>
void score(T* a, int64_t count, const T* c, int64_t num, int64_t steps, double* scores) {
  constexpr int64_t kSize = Vec<T>::size();
  const Vec<T> zero(T(0)), T_(static_cast<T>(steps));
  const Divisor<T> by_T(static_cast<T>(steps));
  // Zeros behind the last add nothing: q(0) = 0.
  const int64_t whole = (count + 2 * kSize - 1) / (2 * kSize) * (2 * kSize);
  for (int64_t k = count; k < whole; ++k) a[k] = T(0);
  for (int64_t i = 0; i < num; ++i) {
    const Divisor<T> by_c(c[i]);
    const Vec<T> step_of_c(c[i] / static_cast<T>(steps));
    const auto squared = [&](const Vec<T>& x, const Vec<T>& sum) {
      const Vec<T> level = at::vec::minimum(at::vec::maximum(by_c(x) * T_, zero), T_).floor();
      const Vec<T> error = (kScales ? level * step_of_c : by_T(level * by_c.y)) - x;
      return at::vec::fmadd(error, error, sum);
    };
    Vec<T> even = zero, odd = zero;
    for (int64_t k = 0; k < whole; k += 2 * kSize) {
      even = squared(Vec<T>::loadu(a + k), even);
      odd = squared(Vec<T>::loadu(a + k + kSize), odd);
    }
    scores[i] += total(even) + total(odd);
  }
}

}  // namespace

template <class T>
ThresholdKernelOf<T> threshold_kernel(int64_t steps) {
  const bool is_power_of_two = (steps & (steps - 1)) == 0;
  return is_power_of_two ? score<T, true> : score<T, false>;
}

template ThresholdKernelOf<float> threshold_kernel<float>(int64_t steps);
template ThresholdKernelOf<double> threshold_kernel<double>(int64_t steps);

}  // namespace tessera::ops::CPU_CAPABILITY
