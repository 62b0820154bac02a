#pragma once

// What the caller (lmu_cell.cpp) and the kernels (lmu_cell_kernel.cpp) share: no torch.

#include <cstdint>

#include "tessera/ops/cpu/padding.h"

namespace tessera::ops {

/// State rows are [h, padding, m, padding]. W_m m' = (W_m Ā) m + (W_m B̄) u, so that a step's two
/// products read the old state alone and neither waits for the other.
template <class T>
struct LmuCellProblem {
  int64_t steps, batch, hidden, order;
  const T *e, *qb;  ///< [state]: (e_h, e_m) and (W_m B̄, B̄)
  /// forward   [state, h_row]: rows of h W_hᵀ, of m (W_m Ā)ᵀ;  [order, m_row] Āᵀ
  /// backward  [hidden, h_row] W_h;                            [state, m_row]: rows W_m Ā, Ā
  const T *to_h, *to_m;

  int64_t h_row() const { return padded(hidden); }
  int64_t m_row() const { return padded(order); }
  int64_t state_row() const { return h_row() + m_row(); }
};

/// Time first: u (T, B), h (T, B, H), m (T, B, N).
template <class T>
struct LmuCellForward {
  const T *u_in, *h_in, *h0, *m0;
  T *h, *m, *u;  ///< m and u of every step; null where nothing is kept
  T* m_n;
};

template <class T>
struct LmuCellBackward {
  const T *h, *d_h, *d_m_n;  ///< d_h or d_m_n may be null
  T *d_u, *d_h_in;           ///< [T, B], [T, B, H]
  T* c_m;  ///< gradient of m that does not pass through h of the same step; null: not kept
  T *d_h0, *d_m0;
};

/// The loops of one instruction set over a range of the batch; scratch belongs to the thread.
template <class T>
struct LmuCellKernels {
  int64_t (*scratch_size)(const LmuCellProblem<T>&, int64_t rows);
  void (*forward)(const LmuCellProblem<T>&, const LmuCellForward<T>&, int64_t begin, int64_t end,
                  T* scratch);
  void (*backward)(const LmuCellProblem<T>&, const LmuCellBackward<T>&, int64_t begin, int64_t end,
                   T* scratch);
};

namespace AVX512 {
template <class T>
LmuCellKernels<T> lmu_cell_kernels();
}  // namespace AVX512
namespace AVX2 {
template <class T>
LmuCellKernels<T> lmu_cell_kernels();
}  // namespace AVX2
namespace DEFAULT {
template <class T>
LmuCellKernels<T> lmu_cell_kernels();
}  // namespace DEFAULT

}  // namespace tessera::ops
