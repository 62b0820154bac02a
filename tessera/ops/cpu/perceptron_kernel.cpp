#include "tessera/ops/cpu/perceptron_kernel.h"

#include "tessera/ops/cpu/pointwise.h"
#include "tessera/ops/cpu/tile.h"

namespace tessera::ops::CPU_CAPABILITY {

namespace {

template <class T>
int64_t widest_row(const PerceptronProblem<T>& p) {
  int64_t widest = p.out_row();
  for (int64_t s = 0; s < p.num_inputs; ++s) {
    if (padded(p.widths[s]) > widest) widest = padded(p.widths[s]);
  }
  return widest;
}

template <class T>
int64_t scratch_size(const PerceptronProblem<T>& p) {
  return kTileRows * (3 * p.row_size() + p.out_row() + widest_row(p));
}

template <class T>
void pack_weights(const PerceptronProblem<T>& p, bool backward, const PerceptronPacked<T>& w) {
  const int64_t columns = p.w1_columns(), row = p.row_size();
  if (!backward) {
    pack<T>(columns, p.dim, p.w1, 1, columns, w.w1_t, row);
    pack<T>(1, p.dim, p.b1, 0, 1, w.b1, row);
    if (p.out_dim != 1) pack<T>(p.dim, p.out_dim, p.w2, 1, p.dim, w.w2_t, p.out_row());
    pack<T>(1, p.b2 != nullptr ? p.out_dim : 0, p.b2, 0, 1, w.b2, p.out_row());
    fill_zero(w.b2 + (p.b2 != nullptr ? p.out_dim : 0),
              p.out_row() - (p.b2 != nullptr ? p.out_dim : 0));
  } else {
    const T* columns_of_input = p.w1;
    for (int64_t s = 0; s < p.num_inputs; ++s) {
      pack<T>(p.dim, p.widths[s], columns_of_input, columns, 1, w.w1[s], padded(p.widths[s]));
      columns_of_input += p.widths[s];
    }
  }
  if (backward || p.out_dim == 1) pack<T>(p.out_dim, p.dim, p.w2, p.dim, 1, w.w2, row);
}

/// to += from, whole vectors and a rest.
template <class T>
void add_to(int64_t count, const T* from, T* to) {
  for_each_vector<T>(count, [&](int64_t i, int64_t n) {
    store<T>(load<T>(to + i, n) + load<T>(from + i, n), to + i, n);
  });
}

/// The rows themselves where they are whole vectors, else a padded copy.
template <class T>
const T* padded_rows(int64_t rows, int64_t cols, const T* from, T* copy_to) {
  if (cols % kLane == 0) return from;
  pack<T>(rows, cols, from, cols, 1, copy_to, padded(cols));
  return copy_to;
}

template <class T>
void forward(const PerceptronProblem<T>& p, const PerceptronPacked<T>& w, T* z1_kept, T* out,
             int64_t begin, int64_t end, T* memory) {
  const int64_t row = p.row_size(), out_row = p.out_row();
  Scratch<T> scratch{memory};
  T* const a = scratch.take(kTileRows * row);
  T* const wide = scratch.take(kTileRows * out_row);
  for_each_tile(begin, end, [&](RowRange range) {
    T* const z1 = z1_kept != nullptr ? z1_kept + range.first * row : a;
    const T* w1_t = w.w1_t;
    for (int64_t s = 0; s < p.num_inputs; ++s) {
      const int64_t k = p.widths[s];
      multiply<T>(range.count, row, k, p.inputs[s] + range.first * k, k, w1_t, row,
                  s == 0 ? Onto::kBias : Onto::kItself, w.b1, z1, row);
      w1_t += k * row;
    }
    activate(p.activation, range.count * row, z1, a);

    T* const y = out + range.first * p.out_dim;
    if (p.out_dim == 1) {
      for (int64_t t = 0; t < range.count; ++t) y[t] = dot(a + t * row, w.w2, row) + w.b2[0];
    } else {
      T* const to = out_row == p.out_dim ? y : wide;
      multiply<T>(range.count, out_row, p.dim, a, row, w.w2_t, out_row, Onto::kBias, w.b2, to,
                  out_row);
      if (to == wide) {
        for (int64_t t = 0; t < range.count; ++t) {
          copy(p.out_dim, wide + t * out_row, y + t * p.out_dim);
        }
      }
    }
    if (p.residual) add_to(range.count * p.out_dim, p.inputs[0] + range.first * p.out_dim, y);
  });
}

template <class T>
void backward(const PerceptronProblem<T>& p, const PerceptronPacked<T>& w,
              const PerceptronBackward<T>& b, const PerceptronSums<T>& sums, int64_t begin,
              int64_t end, T* memory) {
  const int64_t row = p.row_size(), out_row = p.out_row();
  const T* const none = nullptr;
  Scratch<T> scratch{memory};
  T* const a = scratch.take(kTileRows * row);
  T* const slope = scratch.take(kTileRows * row);
  T* const d_z1 = scratch.take(kTileRows * row);
  T* const d_out_copy = scratch.take(kTileRows * out_row);
  T* const wide = scratch.take(kTileRows * widest_row(p));
  for_each_tile(begin, end, [&](RowRange range) {
    const int64_t rows = range.count;
    const T* given = b.d_out + range.first * p.out_dim;
    const T* d_out = padded_rows(rows, p.out_dim, given, d_out_copy);
    activate_with_slope(p.activation, rows * row, b.z1 + range.first * row, a, slope);
    multiply<T>(rows, row, p.out_dim, d_out, out_row, w.w2, row, Onto::kZero, none, d_z1, row);
    multiply_elements(rows * row, slope, d_z1);
    if (b.needs_weights) {
      multiply<T, true>(p.out_dim, row, rows, d_out, out_row, a, row, Onto::kItself, none, sums.w2,
                        row);
      add_row_total(rows, out_row, d_out, out_row, sums.b2);
      add_row_total(rows, row, d_z1, row, sums.b1);
    }
    for (int64_t s = 0; s < p.num_inputs; ++s) {
      const int64_t k = p.widths[s], k_row = padded(k);
      if (b.needs_weights) {
        const T* x = padded_rows(rows, k, p.inputs[s] + range.first * k, wide);
        multiply<T, true>(p.dim, k_row, rows, d_z1, row, x, k_row, Onto::kItself, none, sums.w1[s],
                          k_row);
      }
      if (b.d_inputs[s] == nullptr) continue;
      T* const d_x = b.d_inputs[s] + range.first * k;
      T* const to = k_row == k ? d_x : wide;
      multiply<T>(rows, k_row, p.dim, d_z1, row, w.w1[s], k_row, Onto::kZero, none, to, k_row);
      if (to == wide) {
        for (int64_t t = 0; t < rows; ++t) copy(k, wide + t * k_row, d_x + t * k);
      }
      if (s == 0 && p.residual) add_to(rows * k, given, d_x);
    }
  });
}

template <class T>
void reduce(const PerceptronProblem<T>& p, const PerceptronSums<T>* sums, int64_t threads,
            const PerceptronWeightGradients<T>& g) {
  const int64_t row = p.row_size(), columns = p.w1_columns();
  T* parts[kMaxThreads];
  T* w1 = g.w1;
  for (int64_t s = 0; s < p.num_inputs; ++s) {
    for (int64_t i = 0; i < threads; ++i) parts[i] = sums[i].w1[s];
    reduce_sum(threads, p.dim, p.widths[s], parts, padded(p.widths[s]), w1, columns, 1);
    w1 += p.widths[s];
  }
  for (int64_t i = 0; i < threads; ++i) parts[i] = sums[i].b1;
  reduce_sum(threads, 1, p.dim, parts, row, g.b1, 0, 1);
  for (int64_t i = 0; i < threads; ++i) parts[i] = sums[i].w2;
  reduce_sum(threads, p.out_dim, p.dim, parts, row, g.w2, p.dim, 1);
  if (g.b2 == nullptr) return;
  for (int64_t i = 0; i < threads; ++i) parts[i] = sums[i].b2;
  reduce_sum(threads, 1, p.out_dim, parts, p.out_row(), g.b2, 0, 1);
}

}  // namespace

template <class T>
PerceptronKernels<T> perceptron_kernels() {
  return {pack_weights<T>, scratch_size<T>, forward<T>, backward<T>, reduce<T>};
}
template PerceptronKernels<float> perceptron_kernels<float>();
template PerceptronKernels<double> perceptron_kernels<double>();

}  // namespace tessera::ops::CPU_CAPABILITY
