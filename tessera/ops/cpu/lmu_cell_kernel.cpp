#include "tessera/ops/cpu/lmu_cell_kernel.h"

#include "tessera/ops/cpu/tile.h"

namespace tessera::ops::CPU_CAPABILITY {

namespace {

template <class T>
int64_t scratch_size(const LmuCellProblem<T>& p, int64_t rows) {
  return padded(rows * p.state_row()) + padded(rows * p.h_row()) + padded(rows * p.m_row()) +
         padded(rows);
}

/// A padded row from one without padding; the padding is zero.
template <class T>
void widen(int64_t count, const T* from, T* to) {
  copy(count, from, to);
  fill_zero(to + count, padded(count) - count);
}

template <class T>
void forward(const LmuCellProblem<T>& p, const LmuCellForward<T>& f, int64_t begin, int64_t end,
             T* memory) {
  const int64_t rows = end - begin, h_row = p.h_row(), m_row = p.m_row(), row = p.state_row();
  const T* const none = nullptr;
  Scratch<T> scratch{memory};
  T* const state = scratch.take(rows * row);
  T* const pre = scratch.take(rows * h_row);
  T* const next_m = scratch.take(rows * m_row);
  T* const u = scratch.take(rows);
  for (int64_t r = 0; r < rows; ++r) {
    widen(p.hidden, f.h0 + (begin + r) * p.hidden, state + r * row);
    widen(p.order, f.m0 + (begin + r) * p.order, state + r * row + h_row);
  }
  for (int64_t t = 0; t < p.steps; ++t) {
    const int64_t first = t * p.batch + begin;
    for (int64_t r = 0; r < rows; ++r) {
      u[r] = f.u_in[first + r] + dot(state + r * row, p.e, row);
      if (f.u != nullptr) f.u[first + r] = u[r];
      widen(p.hidden, f.h_in + (first + r) * p.hidden, pre + r * h_row);
    }
    multiply<T>(rows, h_row, row, state, row, p.to_h, h_row, Onto::kItself, none, pre, h_row);
    multiply<T>(rows, m_row, p.order, state + h_row, row, p.to_m, m_row, Onto::kZero, none, next_m,
                m_row);
    for (int64_t r = 0; r < rows; ++r) {
      T* const h = state + r * row;
      T* const m = h + h_row;
      const Vec<T> u_r(u[r]);
      for (int64_t i = 0; i < h_row; i += Vec<T>::size()) {
        at::vec::fmadd(u_r, Vec<T>::loadu(p.qb + i), Vec<T>::loadu(pre + r * h_row + i))
            .tanh()
            .store(h + i);
      }
      for (int64_t i = 0; i < m_row; i += Vec<T>::size()) {
        at::vec::fmadd(u_r, Vec<T>::loadu(p.qb + h_row + i), Vec<T>::loadu(next_m + r * m_row + i))
            .store(m + i);
      }
      copy(p.hidden, h, f.h + (first + r) * p.hidden);
      if (f.m != nullptr) copy(p.order, m, f.m + (first + r) * p.order);
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    copy(p.order, state + r * row + h_row, f.m_n + (begin + r) * p.order);
  }
}

template <class T>
void backward(const LmuCellProblem<T>& p, const LmuCellBackward<T>& b, int64_t begin, int64_t end,
              T* memory) {
  const int64_t rows = end - begin, h_row = p.h_row(), m_row = p.m_row(), row = p.state_row();
  const T* const none = nullptr;
  Scratch<T> scratch{memory};
  T* const d = scratch.take(rows * row);  // [d_pre, c_m] of the step at hand
  T* const c_h = scratch.take(rows * h_row);
  T* const c_m = scratch.take(rows * m_row);
  T* const d_u = scratch.take(rows);
  fill_zero(c_h, rows * h_row);
  fill_zero(d, rows * row);
  for (int64_t r = 0; r < rows && b.d_m_n != nullptr; ++r) {
    copy(p.order, b.d_m_n + (begin + r) * p.order, d + r * row + h_row);
  }
  for (int64_t t = p.steps - 1; t >= 0; --t) {
    const int64_t first = t * p.batch + begin;
    for (int64_t r = 0; r < rows; ++r) {
      T* const d_pre = d + r * row;
      const T* const h = b.h + (first + r) * p.hidden;
      const T* const d_h = b.d_h != nullptr ? b.d_h + (first + r) * p.hidden : nullptr;
      T* const d_h_in = b.d_h_in + (first + r) * p.hidden;
      for_each_vector<T>(p.hidden, [&](int64_t i, int64_t count) {
        const Vec<T> value = load<T>(h + i, count);
        Vec<T> total = load<T>(c_h + r * h_row + i, count);
        if (d_h != nullptr) total = total + load<T>(d_h + i, count);
        const Vec<T> slope = Vec<T>(T(1)) - value * value;
        store<T>(total * slope, d_pre + i, count);
        store<T>(total * slope, d_h_in + i, count);
      });
      if (b.c_m != nullptr) copy(p.order, d_pre + h_row, b.c_m + (first + r) * p.order);
      d_u[r] = dot(d_pre, p.qb, row);
      b.d_u[first + r] = d_u[r];
    }
    multiply<T>(rows, h_row, p.hidden, d, row, p.to_h, h_row, Onto::kZero, none, c_h, h_row);
    multiply<T>(rows, m_row, row, d, row, p.to_m, m_row, Onto::kZero, none, c_m, m_row);
    for (int64_t r = 0; r < rows; ++r) {
      const Vec<T> d_u_r(d_u[r]);
      T* const c = c_h + r * h_row;
      for (int64_t i = 0; i < h_row; i += Vec<T>::size()) {
        at::vec::fmadd(d_u_r, Vec<T>::loadu(p.e + i), Vec<T>::loadu(c + i)).store(c + i);
      }
      for (int64_t i = 0; i < m_row; i += Vec<T>::size()) {
        at::vec::fmadd(d_u_r, Vec<T>::loadu(p.e + h_row + i), Vec<T>::loadu(c_m + r * m_row + i))
            .store(d + r * row + h_row + i);
      }
    }
  }
  for (int64_t r = 0; r < rows; ++r) {
    copy(p.hidden, c_h + r * h_row, b.d_h0 + (begin + r) * p.hidden);
    copy(p.order, d + r * row + h_row, b.d_m0 + (begin + r) * p.order);
  }
}

}  // namespace

template <class T>
LmuCellKernels<T> lmu_cell_kernels() {
  return {scratch_size<T>, forward<T>, backward<T>};
}

template LmuCellKernels<float> lmu_cell_kernels<float>();
template LmuCellKernels<double> lmu_cell_kernels<double>();

}  // namespace tessera::ops::CPU_CAPABILITY
