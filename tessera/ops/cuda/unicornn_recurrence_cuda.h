#pragma once

// What the CUDA kernels (unicornn_recurrence.cu) and their caller (unicornn_recurrence_glue.cpp)
// share: no torch, so that nvcc alone can compile the kernels anywhere. Sums over the batch are the
// caller's.

#include <cuda_runtime_api.h>

#include <cstdint>

namespace tessera::ops::cuda {

/// A step is a contiguous plane of `chains` = batch × width independent chains.
template <class T>
struct UnicornnProblem {
  int64_t steps, chains, width;
  T alpha;
  const T *q, *w, *s;  ///< [steps, chains], [width], [width] with s = dt·sigmoid(c)
  const T* mask;       ///< [chains], null: one
};

template <class T>
struct UnicornnForwardArrays {
  T *y, *z;  ///< [chains], the first state, replaced by the last
  T* y_out;  ///< [steps, chains], times the mask; null: not written
};

template <class T>
struct UnicornnBackwardArrays {
  const T* g;            ///< [steps, chains], gradient by the masked y; null: zero
  T *y, *z, *d_y, *d_z;  ///< [chains], the last state and gradients by it, replaced by the first's
  T* d_q;                ///< [steps, chains]
  T *sum_w, *sum_c;      ///< [chains]; sum_c is not yet times ds/dc
  T* sum_mask;           ///< [chains], null: not wanted
};

template <class T>
cudaError_t unicornn_forward(const UnicornnProblem<T>& p, const UnicornnForwardArrays<T>& f,
                             cudaStream_t stream);
template <class T>
cudaError_t unicornn_backward(const UnicornnProblem<T>& p, const UnicornnBackwardArrays<T>& b,
                              cudaStream_t stream);

}  // namespace tessera::ops::cuda
