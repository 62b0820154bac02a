#pragma once

// What the caller (perceptron.cpp) and the kernels (perceptron_kernel.cpp) share: no torch.

#include <cstdint>

#include "tessera/ops/cpu/padding.h"
#include "tessera/ops/kinds.h"

namespace tessera::ops {

/// Inputs that are read side by side.
inline constexpr int64_t kMaxPerceptronInputs = 3;

template <class T>
struct PerceptronProblem {
  int64_t rows, dim, out_dim;
  int64_t num_inputs, widths[kMaxPerceptronInputs];
  const T* inputs[kMaxPerceptronInputs];
  Activation activation;
  bool residual;
  const T *w1, *b1, *w2, *b2;  ///< b2 may be null

  int64_t row_size() const { return padded(dim); }
  int64_t out_row() const { return padded(out_dim); }
  int64_t w1_columns() const { return widths[0] + widths[1] + widths[2]; }
};

/// Weights as the kernels read them: depth-major and padded.
template <class T>
struct PerceptronPacked {
  T *w1_t, *b1;                 ///< [k, row], [row]
  T *w2_t, *b2;                 ///< [dim, out_row], [out_row]
  T* w1[kMaxPerceptronInputs];  ///< backward: [dim, padded(width)] of each input
  T* w2;                        ///< [out, row]: backward, and forward where out is 1
};

template <class T>
struct PerceptronSums {
  T* w1[kMaxPerceptronInputs];  ///< [dim, padded(width)]
  T *b1, *w2, *b2;              ///< [row], [out, row], [out_row]
};

template <class T>
struct PerceptronBackward {
  const T *z1, *d_out;  ///< [rows, row] as the forward kept it, [rows, out]
  bool needs_weights;
  T* d_inputs[kMaxPerceptronInputs];  ///< null: not wanted
};

/// Gradients of the weights in the authors' layout.
template <class T>
struct PerceptronWeightGradients {
  T *w1, *b1, *w2, *b2;
};

/// The loops of one instruction set. Ranges are of rows; scratch belongs to the calling thread.
template <class T>
struct PerceptronKernels {
  void (*pack)(const PerceptronProblem<T>&, bool backward, const PerceptronPacked<T>&);
  int64_t (*scratch_size)(const PerceptronProblem<T>&);
  /// z1 is null where the pre-activation is not kept.
  void (*forward)(const PerceptronProblem<T>&, const PerceptronPacked<T>&, T* z1, T* out,
                  int64_t begin, int64_t end, T* scratch);
  void (*backward)(const PerceptronProblem<T>&, const PerceptronPacked<T>&,
                   const PerceptronBackward<T>&, const PerceptronSums<T>&, int64_t begin,
                   int64_t end, T* scratch);
  /// Adds the threads' sums and writes them in the authors' layout.
  void (*reduce)(const PerceptronProblem<T>&, const PerceptronSums<T>* sums, int64_t threads,
                 const PerceptronWeightGradients<T>&);
};

namespace AVX512 {
template <class T>
PerceptronKernels<T> perceptron_kernels();
}  // namespace AVX512
namespace AVX2 {
template <class T>
PerceptronKernels<T> perceptron_kernels();
}  // namespace AVX2
namespace DEFAULT {
template <class T>
PerceptronKernels<T> perceptron_kernels();
}  // namespace DEFAULT

}  // namespace tessera::ops
