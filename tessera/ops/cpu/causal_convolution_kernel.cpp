#include "tessera/ops/cpu/causal_convolution_kernel.h"

#include "tessera/ops/cpu/tile.h"

namespace tessera::ops::CPU_CAPABILITY {

namespace {

template <class T>
inline constexpr int64_t kWidth = Vec<T>::size();

template <class T>
struct Complex {
  Vec<T> re, im;
};

template <class T>
inline Complex<T> operator+(const Complex<T>& a, const Complex<T>& b) {
  return {a.re + b.re, a.im + b.im};
}
template <class T>
inline Complex<T> operator-(const Complex<T>& a, const Complex<T>& b) {
  return {a.re - b.re, a.im - b.im};
}
template <class T>
inline Complex<T> times_i(const Complex<T>& a) {
  return {a.im.neg(), a.re};
}
template <class T>
inline Complex<T> operator*(const Complex<T>& a, const Complex<T>& b) {
  return {at::vec::fmsub(a.re, b.re, a.im * b.im), at::vec::fmadd(a.re, b.im, a.im * b.re)};
}
/// a times the conjugate of b.
template <class T>
inline Complex<T> times_conjugate(const Complex<T>& a, const Complex<T>& b) {
  return {at::vec::fmadd(a.re, b.re, a.im * b.im), at::vec::fmsub(a.im, b.re, a.re * b.im)};
}

template <class T>
inline Complex<T> read(const T* x, int64_t point) {
  const T* const at_point = x + point * 2 * kWidth<T>;
  return {Vec<T>::loadu(at_point), Vec<T>::loadu(at_point + kWidth<T>)};
}
template <class T>
inline void write(const Complex<T>& value, T* x, int64_t point) {
  T* const at_point = x + point * 2 * kWidth<T>;
  value.re.store(at_point);
  value.im.store(at_point + kWidth<T>);
}
/// One complex number in every lane.
template <class T>
inline Complex<T> everywhere(const T* value) {
  return {Vec<T>(value[0]), Vec<T>(value[1])};
}

// ---- Transforms ---------------------------------------------------------------------------------

/// Depth first, so that quarters which fit the first cache are finished there.
template <class T>
void transform(int64_t n, T* x, const T* twiddles) {
  if (n == 1) return;
  if (n == 2) {
    const Complex<T> a = read(x, 0), b = read(x, 1);
    write(a + b, x, 0);
    write(a - b, x, 1);
    return;
  }
  const int64_t quarter = n / 4;
  for (int64_t k = 0; k < quarter; ++k) {
    const T* const w = twiddles + 6 * k;
    const Complex<T> a0 = read(x, k), a1 = read(x, k + quarter), a2 = read(x, k + 2 * quarter),
                     a3 = read(x, k + 3 * quarter);
    const Complex<T> even = a0 + a2, odd = a1 + a3, difference = a0 - a2, turned = times_i(a1 - a3);
    write(even + odd, x, k);
    write((difference - turned) * everywhere(w), x, k + quarter);
    write((even - odd) * everywhere(w + 2), x, k + 2 * quarter);
    write((difference + turned) * everywhere(w + 4), x, k + 3 * quarter);
  }
  for (int64_t part = 0; part < 4; ++part) {
    transform(quarter, x + part * quarter * 2 * kWidth<T>, twiddles + 6 * quarter);
  }
}

/// The inverse, times n.
template <class T>
void transform_back(int64_t n, T* x, const T* twiddles) {
  if (n == 1) return;
  if (n == 2) return transform(n, x, twiddles);
  const int64_t quarter = n / 4;
  for (int64_t part = 0; part < 4; ++part) {
    transform_back(quarter, x + part * quarter * 2 * kWidth<T>, twiddles + 6 * quarter);
  }
  for (int64_t k = 0; k < quarter; ++k) {
    const T* const w = twiddles + 6 * k;
    const Complex<T> b0 = read(x, k), b1 = times_conjugate(read(x, k + quarter), everywhere(w)),
                     b2 = times_conjugate(read(x, k + 2 * quarter), everywhere(w + 2)),
                     b3 = times_conjugate(read(x, k + 3 * quarter), everywhere(w + 4));
    const Complex<T> even = b0 + b2, odd = b1 + b3, difference = b0 - b2, turned = times_i(b1 - b3);
    write(even + odd, x, k);
    write(difference + turned, x, k + quarter);
    write(even - odd, x, k + 2 * quarter);
    write(difference - turned, x, k + 3 * quarter);
  }
}

// ---- Columns in and out -------------------------------------------------------------------------

template <class T>
inline int64_t count_from(int64_t all, int64_t first) {
  return all - first < kWidth<T> ? all - first : kWidth<T>;
}

template <class T>
inline Vec<T> load_count(const T* from, int64_t count) {
  return count == kWidth<T> ? Vec<T>::loadu(from) : Vec<T>::loadu(from, count);
}
template <class T>
inline void store_count(const Vec<T>& value, T* to, int64_t count) {
  if (count == kWidth<T>) {
    value.store(to);
  } else {
    value.store(to, count);
  }
}

/// The sum of all lanes, halves onto halves.
template <class T>
inline T sum_of(const Vec<T>& v) {
  T lanes[kWidth<T>];
  v.store(lanes);
  for (int64_t half = kWidth<T> / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

/// `rows` rows of `count` columns as real and imaginary parts (either may be null: zeros), zeros
/// up to P, transformed.
template <class T>
void transform_columns(const ConvolutionProblem<T>& p, const T* real, const T* imaginary,
                       int64_t rows, int64_t row, int64_t count, T* x) {
  const Vec<T> zero(T(0));
  for (int64_t t = 0; t < rows; ++t) {
    write<T>({load_count<T>(real + t * row, count),
              imaginary == nullptr ? zero : load_count<T>(imaginary + t * row, count)},
             x, t);
  }
  for (int64_t t = rows; t < p.points; ++t) write<T>({zero, zero}, x, t);
  transform(p.points, x, p.twiddles);
}

template <class T>
int64_t scratch_size(const ConvolutionProblem<T>& p) {
  return 2 * p.points * 2 * kWidth<T>;
}

template <class T>
void transform_signals(const ConvolutionProblem<T>& p, int64_t first, T* spectra, T* x) {
  const int64_t count = count_from<T>(p.pairs(), first);
  for (int64_t i = 0; i < p.points * 2 * kWidth<T>; ++i) x[i] = T(0);
  for (int64_t lane = 0; lane < count; ++lane) {
    const int64_t signal = 2 * (first + lane);
    for (int64_t part = 0; part < 2 && signal + part < p.signals; ++part) {
      const T* const u = p.u + (signal + part) * p.length;
      T* const to = x + part * kWidth<T> + lane;
      for (int64_t t = 0; t < p.length; ++t) to[t * 2 * kWidth<T>] = u[t];
    }
  }
  transform(p.points, x, p.twiddles);
  for (int64_t lane = 0; lane < count; ++lane) {
    T* const to = spectra + (first + lane) * 2 * p.points;
    for (int64_t i = 0; i < 2 * p.points; ++i) to[i] = x[i * kWidth<T> + lane];
  }
}

template <class T>
void forward(const ConvolutionProblem<T>& p, const T* spectra, int64_t first, int64_t begin,
             int64_t end, T* y, T* scratch) {
  const int64_t count = count_from<T>(p.channels, first), c = p.channels;
  T* const kernel = scratch;
  T* const x = scratch + p.points * 2 * kWidth<T>;
  transform_columns<T>(p, p.kernel + first, nullptr, p.reach, c, count, kernel);
  // The scale of the inverse goes with the kernel: once, not once a pair.
  const Vec<T> scale(T(1) / static_cast<T>(p.points));
  for (int64_t f = 0; f < p.points; ++f) {
    const Complex<T> k = read(kernel, f);
    write<T>({k.re * scale, k.im * scale}, kernel, f);
  }
  for (int64_t pair = begin; pair < end; ++pair) {
    const T* const u = spectra + pair * 2 * p.points;
    for (int64_t f = 0; f < p.points; ++f) write(read(kernel, f) * everywhere(u + 2 * f), x, f);
    transform_back(p.points, x, p.twiddles);
    const bool has_second = 2 * pair + 1 < p.signals;
    T* const even = y + 2 * pair * p.length * c + first;
    T* const odd = even + p.length * c;
    for (int64_t t = 0; t < p.length; ++t) {
      const Complex<T> both = read(x, t);
      store_count<T>(both.re, even + t * c, count);
      if (has_second) store_count<T>(both.im, odd + t * c, count);
    }
  }
}

template <class T>
void backward(const ConvolutionProblem<T>& p, const T* spectra, const T* d_y, int64_t first,
              int64_t begin, int64_t end, T* d_kernel, T* d_spectra, T* scratch) {
  const int64_t count = count_from<T>(p.channels, first), c = p.channels;
  T* const kernel = scratch;
  T* const d = scratch + p.points * 2 * kWidth<T>;
  if (d_spectra != nullptr) {
    transform_columns<T>(p, p.kernel + first, nullptr, p.reach, c, count, kernel);
  }
  for (int64_t i = 0; d_kernel != nullptr && i < p.points * 2 * kWidth<T>; ++i) d_kernel[i] = T(0);
  for (int64_t pair = begin; pair < end; ++pair) {
    const T* const even = d_y + 2 * pair * p.length * c + first;
    const bool has_second = 2 * pair + 1 < p.signals;
    transform_columns<T>(p, even, has_second ? even + p.length * c : nullptr, p.length, c, count,
                         d);
    const T* const u = spectra + pair * 2 * p.points;
    if (d_kernel != nullptr) {
      for (int64_t f = 0; f < p.points; ++f) {
        write(read(d_kernel, f) + times_conjugate(read(d, f), everywhere(u + 2 * f)), d_kernel, f);
      }
    }
    if (d_spectra != nullptr) {
      T* const to = d_spectra + pair * 2 * p.points;
      for (int64_t f = 0; f < p.points; ++f) {
        const Complex<T> product = times_conjugate(read(d, f), read(kernel, f));
        to[2 * f] = sum_of<T>(product.re);
        to[2 * f + 1] = sum_of<T>(product.im);
      }
    }
  }
}

template <class T>
void finish_kernel(const ConvolutionProblem<T>& p, T* d_kernel, int64_t first, T* out) {
  const int64_t count = count_from<T>(p.channels, first);
  transform_back(p.points, d_kernel, p.twiddles);
  const Vec<T> scale(T(1) / static_cast<T>(p.points));
  // The imaginary part mixes the two signals of a pair: it is no gradient of anything.
  for (int64_t j = 0; j < p.reach; ++j) {
    store_count<T>(read(d_kernel, j).re * scale, out + j * p.channels + first, count);
  }
}

template <class T>
void finish_signals(const ConvolutionProblem<T>& p, const T* d_spectra, int64_t first, T* d_u,
                    T* x) {
  const int64_t count = count_from<T>(p.pairs(), first);
  const T scale = T(1) / static_cast<T>(p.points);
  for (int64_t i = 0; i < p.points * 2 * kWidth<T>; ++i) x[i] = T(0);
  for (int64_t lane = 0; lane < count; ++lane) {
    const T* const from = d_spectra + (first + lane) * 2 * p.points;
    for (int64_t i = 0; i < 2 * p.points; ++i) x[i * kWidth<T> + lane] = from[i] * scale;
  }
  transform_back(p.points, x, p.twiddles);
  for (int64_t lane = 0; lane < count; ++lane) {
    const int64_t signal = 2 * (first + lane);
    for (int64_t part = 0; part < 2 && signal + part < p.signals; ++part) {
      T* const u = d_u + (signal + part) * p.length;
      const T* const from = x + part * kWidth<T> + lane;
      for (int64_t t = 0; t < p.length; ++t) u[t] = from[t * 2 * kWidth<T>];
    }
  }
}

}  // namespace

template <class T>
ConvolutionKernels<T> convolution_kernels() {
  return {kWidth<T>,   scratch_size<T>,  transform_signals<T>, forward<T>,
          backward<T>, finish_kernel<T>, finish_signals<T>};
}

template ConvolutionKernels<float> convolution_kernels<float>();
template ConvolutionKernels<double> convolution_kernels<double>();

}  // namespace tessera::ops::CPU_CAPABILITY
