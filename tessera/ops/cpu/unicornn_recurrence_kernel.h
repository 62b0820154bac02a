#pragma once

// What the callers (unicornn_recurrence.cpp, unicornn_stack.cpp) and the kernels
// (unicornn_recurrence_kernel.cpp) share: no torch.
//
// A step of the recurrence is a contiguous plane of batch × neurons chains, and every chain is
// independent of the others: the kernels see chains only, with the parameters of their neuron
// repeated for every sample.

#include <cstdint>

namespace tessera::ops {

/// Arrays of one value for each chain.
template <class T>
struct UnicornnChains {
  const T *w, *s;  ///< s = dt·sigmoid(c)
  T alpha;
  int64_t stride;  ///< chains of a step: the distance of two steps in the arrays below
};

/// `steps` consecutive steps of all chains, forward in time. y and z are the state before the first
/// step and become the one after the last.
template <class T>
struct UnicornnForward {
  int64_t steps;
  const T* q;     ///< [steps, stride]
  const T* mask;  ///< null: one
  T *y, *z;
  T* y_out;  ///< [steps, stride], times the mask; null: not written
};

/// The same steps backward in time. y and z are the state after the last step and become the one
/// before the first; d_y and d_z are the gradients by that state and become those by the other,
/// without what reaches y before the first step from above.
template <class T>
struct UnicornnBackward {
  int64_t steps;
  const T* q;
  const T* mask;
  const T* g;  ///< [steps, stride], gradient by the masked y; null: zero
  T *y, *z, *d_y, *d_z;
  T* y_out;                             ///< rebuilt, times the mask; null: not written
  T* d_q;                               ///< [steps, stride]
  T *sum_w, *sum_c, *sum_q, *sum_mask;  ///< added to. sum_c is not yet times ds/dc; mask: or null
};

/// The loops of one instruction set, over a range of chains that is begun at a multiple of kLane.
template <class T>
struct UnicornnKernels {
  void (*forward)(const UnicornnChains<T>&, const UnicornnForward<T>&, int64_t begin, int64_t end);
  /// Steps y and z back in time and writes y_out alone.
  void (*rebuild)(const UnicornnChains<T>&, const UnicornnForward<T>&, int64_t begin, int64_t end);
  void (*backward)(const UnicornnChains<T>&, const UnicornnBackward<T>&, int64_t begin,
                   int64_t end);
  /// out[r, :] = bias + Σ_k x[r, k]·v[k, :] for rows [begin, end) of `cols` columns.
  void (*drive)(int64_t in, int64_t cols, const T* x, const T* v, const T* bias, T* out,
                int64_t begin, int64_t end);
  /// sum[k, c] += Σ_r x[r, k]·d[r, c] for columns [begin, end).
  void (*gather)(int64_t rows, int64_t in, int64_t cols, const T* x, const T* d, T* sum,
                 int64_t begin, int64_t end);
  /// to[i] = tanh(from[i]): what the recurrence uses, for its test.
  void (*tanh)(int64_t count, const T* from, T* to);
};

namespace AVX512 {
template <class T>
UnicornnKernels<T> unicornn_kernels();
}  // namespace AVX512
namespace AVX2 {
template <class T>
UnicornnKernels<T> unicornn_kernels();
}  // namespace AVX2
namespace DEFAULT {
template <class T>
UnicornnKernels<T> unicornn_kernels();
}  // namespace DEFAULT

}  // namespace tessera::ops
