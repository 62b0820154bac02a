#pragma once

// What the caller (causal_convolution.cpp) and the kernels (causal_convolution_kernel.cpp) share:
// no torch.
//
// A transform works on P complex points of a whole vector of columns: point f holds the vector of
// real parts, then that of imaginary parts. Forward by decimation in frequency, back by decimation
// in time: the points between the two stand in the order that the butterflies leave, and nothing
// is reordered.

#include <cstdint>

#include "tessera/ops/cpu/padding.h"

namespace tessera::ops {

template <class T>
struct ConvolutionProblem {
  int64_t signals, length, reach, channels;
  int64_t points;     ///< P, a power of two
  const T* twiddles;  ///< as twiddle_count and fill_twiddles lay them out
  const T* u;         ///< (R, T)
  const T* kernel;    ///< (reach, C)

  /// Two signals travel as one complex one.
  int64_t pairs() const { return (signals + 1) / 2; }
};

/// The loops of one instruction set. A block is `lanes` channels, or `lanes` pairs of signals.
template <class T>
struct ConvolutionKernels {
  int64_t lanes;
  int64_t (*scratch_size)(const ConvolutionProblem<T>&);
  /// Transforms of the pairs [first, first + lanes): spectra (pairs, P, 2).
  void (*transform_signals)(const ConvolutionProblem<T>&, int64_t first, T* spectra, T* scratch);
  /// y (R, T, C) of the channels from `first` on, for pairs [begin, end).
  void (*forward)(const ConvolutionProblem<T>&, const T* spectra, int64_t first, int64_t begin,
                  int64_t end, T* y, T* scratch);
  /// Adds to d_kernel (P, 2, lanes), transformed, and to d_spectra (pairs, P, 2); either may be
  /// null. d_kernel starts at zero here; d_spectra is written.
  void (*backward)(const ConvolutionProblem<T>&, const T* spectra, const T* d_y, int64_t first,
                   int64_t begin, int64_t end, T* d_kernel, T* d_spectra, T* scratch);
  /// Back from the transformed d_kernel to the columns from `first` on of (reach, C). Destroys it.
  void (*finish_kernel)(const ConvolutionProblem<T>&, T* d_kernel, int64_t first, T* out);
  /// d_u (R, T) of the pairs from `first` on, from spectra summed over blocks.
  void (*finish_signals)(const ConvolutionProblem<T>&, const T* d_spectra, int64_t first, T* d_u,
                         T* scratch);
};

/// Powers w, w², w³ of w = e^{−2πik/n}, k < n/4, for n = P, P/4, P/16, … ≥ 4: six values each.
constexpr int64_t twiddle_count(int64_t points) {
  int64_t count = 0;
  for (int64_t n = points; n >= 4; n /= 4) count += n / 4 * 6;
  return count;
}

namespace AVX512 {
template <class T>
ConvolutionKernels<T> convolution_kernels();
}  // namespace AVX512
namespace AVX2 {
template <class T>
ConvolutionKernels<T> convolution_kernels();
}  // namespace AVX2
namespace DEFAULT {
template <class T>
ConvolutionKernels<T> convolution_kernels();
}  // namespace DEFAULT

}  // namespace tessera::ops
