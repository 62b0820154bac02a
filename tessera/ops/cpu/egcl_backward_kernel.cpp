#include "tessera/ops/cpu/egcl_tile.h"

namespace tessera::ops::CPU_CAPABILITY {

namespace {

template <class T>
int64_t backward_scratch(const EgclProblem<T>& p) {
  const int64_t edges = 7 * kTileRows * p.row_size() + Geometry<T>::size(p) +
                        4 * padded(kTileRows) + padded(kTileRows * p.coord_dim);
  const int64_t nodes = kTileRows * padded(p.in_dim);
  return edges > nodes ? edges : nodes;
}

/// Gradient of t_ij = weight·clamp(scale·diff·s): towards s, towards scale·diff in `d_unit`, and
/// towards the weight.
template <class T>
void backward_step(const EgclProblem<T>& p, const EgclBackward<T>& b, RowRange edges,
                   const Geometry<T>& g, T* d_s, T* d_unit, T* d_weight) {
  const int64_t n = p.coord_dim;
  for (int64_t t = 0; t < edges.count; ++t) {
    const int64_t e = edges.first + t, i = p.row[e];
    const T s = b.saved.s[e];
    const T share = p.coord_mean ? T(1) / T(p.row_ptr[i + 1] - p.row_ptr[i]) : T(1);
    const T weight = step_weight(p, e);
    T sum = 0, weight_sum = 0;
    for (int64_t c = 0; c < n; ++c) {
      const T unit = g.diff[t * n + c] * g.scale[t];
      const T d_weighted = b.d_x_delta[i * n + c] * share;
      weight_sum += d_weighted * (p.has_clamp ? clamped(unit * s, p.coord_clamp) : unit * s);
      T d_step = d_weighted * weight;
      if (p.has_clamp && (unit * s < -p.coord_clamp || unit * s > p.coord_clamp)) d_step = 0;
      sum += d_step * unit;
      d_unit[t * n + c] = d_step * s;
    }
    d_s[t] = p.coord_tanh ? sum * (1 - s * s) : sum;
    d_weight[t] = weight_sum;
  }
}

/// d_diff_ij from those of the scaled difference and of r².
template <class T>
void backward_geometry(const EgclProblem<T>& p, const EgclPacked<T>& w, RowRange edges,
                       const Geometry<T>& g, const T* d_z1, const T* d_unit, T* d_diff) {
  const int64_t n = p.coord_dim, row = p.row_size();
  for (int64_t t = 0; t < edges.count; ++t) {
    const T* diff = g.diff + t * n;
    T* out = d_diff + (edges.first + t) * n;
    if (p.row[edges.first + t] == p.col[edges.first + t]) {
      fill_zero(out, n);  // x_i - x_i: what would cancel may be 1e8 times the rest
      continue;
    }
    T along = 2 * dot(d_z1 + t * row, w.features_t, row);  // multiplies diff
    if (d_unit != nullptr && p.coord_norm == CoordNorm::kPlusOne) {
      // d(diff / (r + 1)) has the part -diff·(diff·d) / (r (r + 1)²), taken as 0 at r = 0.
      T inner = 0;
      for (int64_t c = 0; c < n; ++c) inner += diff[c] * d_unit[t * n + c];
      if (g.radius[t] > 0) along -= inner * g.scale[t] * g.scale[t] / g.radius[t];
    }
    for (int64_t c = 0; c < n; ++c) {
      out[c] = along * diff[c] + (d_unit != nullptr ? d_unit[t * n + c] * g.scale[t] : T(0));
    }
  }
}

/// Through m = m̂ · gate · edge_weight: d_m becomes d_m̂, d_logit what goes to w_a·m̂ + b_a. d_weight
/// is what the weight gets from its coordinate step, null where it has none.
template <class T>
void backward_factor(const EgclProblem<T>& p, const EgclPacked<T>& w, const EgclBackward<T>& b,
                     RowRange edges, const T* m_hat, const T* factor, const T* d_weight, T* d_m,
                     T* d_logit) {
  const int64_t row = p.row_size();
  for (int64_t t = 0; t < edges.count; ++t) {
    const int64_t e = edges.first + t;
    T* d = d_m + t * row;
    const T inner = dot(d, m_hat + t * row, row);
    const T gate = p.att_w != nullptr ? b.saved.gate[e] : T(1);
    if (b.d_edge_weight != nullptr) {
      b.d_edge_weight[p.order[e]] = inner * gate + (d_weight != nullptr ? d_weight[t] : T(0));
    }
    d_logit[t] = inner * factor[t] * (1 - gate);  // factor holds the gate once already
    const Vec<T> f(factor[t]), l(d_logit[t]);
    for (int64_t c = 0; c < row; c += Vec<T>::size()) {
      Vec<T> value = Vec<T>::loadu(d + c) * f;
      if (p.att_w != nullptr) value = at::vec::fmadd(l, Vec<T>::loadu(w.att_w + c), value);
      value.store(d + c);
    }
  }
}

/// d_z3 = d_s·c2·act'(z3), and the sum for c2.
template <class T>
void backward_head(const EgclProblem<T>& p, const EgclPacked<T>& w, RowRange edges, const T* z3,
                   const T* d_s, T* d_z3, T* sum_coord_w2) {
  const int64_t row = p.row_size();
  with_activation(p.activation, [&](auto act) {
    for (int64_t c = 0; c < row; c += Vec<T>::size()) {
      const Vec<T> c2 = Vec<T>::loadu(w.coord_w2 + c);
      Vec<T> sum(T(0)), value, slope;
      for (int64_t t = 0; t < edges.count; ++t) {
        const Vec<T> d(d_s[t]);
        act.template value_and_slope<T>(Vec<T>::loadu(z3 + t * row + c), value, slope);
        sum = at::vec::fmadd(d, value, sum);
        (d * c2 * slope).store(d_z3 + t * row + c);
      }
      if (sum_coord_w2 != nullptr) (sum + Vec<T>::loadu(sum_coord_w2 + c)).store(sum_coord_w2 + c);
    }
  });
}

template <class T>
void backward_edges(const EgclProblem<T>& p, const EgclPacked<T>& w, const EgclBackward<T>& b,
                    const EgclSums<T>& sums, int64_t begin, int64_t end, T* memory) {
  const int64_t d = p.dim, row = p.row_size(), width = p.features();
  const bool has_factor = p.att_w != nullptr || p.edge_weight != nullptr;
  const bool has_step = p.has_head() && b.d_x_delta != nullptr;
  Scratch<T> scratch{memory};
  const Geometry<T> g(p, scratch);
  T* const a1 = scratch.take(kTileRows * row);
  T* const slope1 = scratch.take(kTileRows * row);
  T* const m_hat = scratch.take(kTileRows * row);
  T* const slope2 = scratch.take(kTileRows * row);
  T* const scaled = scratch.take(kTileRows * row);
  T* const d_m = scratch.take(kTileRows * row);
  T* const d_z3 = scratch.take(kTileRows * row);
  T* const factor = scratch.take(kTileRows);
  T* const d_s = scratch.take(kTileRows);
  T* const d_logit = scratch.take(kTileRows);
  T* const d_weight = scratch.take(kTileRows);
  T* const d_unit = scratch.take(kTileRows * p.coord_dim);
  T* const m = has_factor ? scaled : m_hat;
  const T* const none = nullptr;

  for (int64_t i = begin; i < end; ++i) fill_zero(b.d_pq + i * 2 * row, row);
  for_each_tile(p.row_ptr[begin], p.row_ptr[end], [&](RowRange edges) {
    const int64_t rows = edges.count;
    read_geometry(p, edges, g);
    first_preactivation(p, w, b.saved.pq, edges, g, a1);
    activate_with_slope(p.activation, rows * row, a1, a1, slope1);
    activate_with_slope(p.activation, rows * row, b.saved.z2 + edges.first * row, m_hat, slope2);
    if (has_factor) {
      message_factor(p, edges, b.saved.gate + edges.first, factor);
      scale_rows(rows, row, m_hat, factor, m);
    }

    // d_m = d_agg_i, and what comes through the coordinate head.
    fill_zero(d_m, rows * row);
    for (int64_t t = 0; t < rows && b.d_agg != nullptr; ++t) {
      copy(d, b.d_agg + p.row[edges.first + t] * d, d_m + t * row);
    }
    if (has_step) {
      backward_step(p, b, edges, g, d_s, d_unit, d_weight);
      backward_head(p, w, edges, b.saved.z3 + edges.first * row, d_s, d_z3,
                    b.needs_weights ? sums.coord_w2 : nullptr);
      multiply<T>(rows, row, d, d_z3, row, w.coord_w1, row, Onto::kItself, none, d_m, row);
      if (b.needs_weights) {
        add_row_total(rows, row, d_z3, row, sums.coord_b1);
        multiply<T, true>(d, row, rows, d_z3, row, m, row, Onto::kItself, none, sums.coord_w1, row);
      }
    }
    if (has_factor) {
      const bool has_step_weight = has_step && p.weigh_coords;
      backward_factor(p, w, b, edges, m_hat, factor, has_step_weight ? d_weight : none, d_m,
                      d_logit);
    }
    if (p.att_w != nullptr && b.needs_weights) {
      multiply<T, true>(1, row, rows, d_logit, 1, m_hat, row, Onto::kItself, none, sums.att_w, row);
      T total = 0;
      for (int64_t t = 0; t < rows; ++t) total += d_logit[t];
      *sums.att_b += total;
    }

    T* const d_z2 = d_m;
    multiply_elements(rows * row, slope2, d_z2);
    if (b.needs_weights) {
      add_row_total(rows, row, d_z2, row, sums.b2);
      multiply<T, true>(d, row, rows, d_z2, row, a1, row, Onto::kItself, none, sums.w2, row);
    }

    T* const d_z1 = b.d_z1 + edges.first * row;
    multiply<T>(rows, row, d, d_z2, row, w.w2, row, Onto::kZero, none, d_z1, row);
    multiply_elements(rows * row, slope1, d_z1);
    for_each_receiver(p, edges, [&](int64_t i, int64_t t, int64_t count) {
      add_rows(count, row, d_z1 + t * row, row, b.d_pq + i * 2 * row);
    });
    if (b.needs_weights) {
      multiply<T, true>(width, row, rows, g.features, width, d_z1, row, Onto::kItself, none,
                        sums.features, row);
    }
    if (b.d_x != nullptr) {
      backward_geometry(p, w, edges, g, d_z1, has_step ? d_unit : nullptr, b.d_diff);
    }
    if (b.d_edge_attr != nullptr) {
      const T* attr_t = w.features_t + (width - p.attr_dim) * row;
      for (int64_t t = 0; t < rows; ++t) {
        T* out = b.d_edge_attr + p.order[edges.first + t] * p.attr_dim;
        for (int64_t k = 0; k < p.attr_dim; ++k) {
          out[k] = dot(d_z1 + t * row, attr_t + k * row, row);
        }
      }
    }
  });
}

/// d_x_i = Σ over the edges i receives − Σ over those it sends.
template <class T>
void sum_positions(const EgclProblem<T>& p, const EgclBackward<T>& b, int64_t i) {
  const int64_t n = p.coord_dim;
  T* out = b.d_x + i * n;
  fill_zero(out, n);
  for (int64_t e = p.row_ptr[i]; e < p.row_ptr[i + 1]; ++e) {
    for (int64_t c = 0; c < n; ++c) out[c] += b.d_diff[e * n + c];
  }
  for (int64_t k = p.sender_ptr[i]; k < p.sender_ptr[i + 1]; ++k) {
    const T* d_diff = b.d_diff + p.sender_order[k] * n;
    for (int64_t c = 0; c < n; ++c) out[c] -= d_diff[c];
  }
}

template <class T>
void backward_nodes(const EgclProblem<T>& p, const EgclPacked<T>& w, const EgclBackward<T>& b,
                    const EgclSums<T>& sums, int64_t begin, int64_t end, T* memory) {
  const int64_t k = p.in_dim, in_row = padded(k), row = p.row_size();
  const T* const none = nullptr;
  for_each_tile(begin, end, [&](RowRange nodes) {
    const int64_t rows = nodes.count;
    T* const d_pq = b.d_pq + nodes.first * 2 * row;
    for (int64_t t = 0; t < rows; ++t) {
      const int64_t i = nodes.first + t;
      T* d_q = d_pq + t * 2 * row + row;
      for (int64_t c = 0; c < row; c += Vec<T>::size()) {
        Vec<T> sum(T(0));
        for (int64_t s = p.sender_ptr[i]; s < p.sender_ptr[i + 1]; ++s) {
          sum = sum + Vec<T>::loadu(b.d_z1 + p.sender_order[s] * row + c);
        }
        sum.store(d_q + c);
      }
      if (b.d_x != nullptr) sum_positions(p, b, i);
    }
    if (b.needs_weights) {
      // A copy where a row of h is not whole vectors.
      const T* h = p.h + nodes.first * k;
      if (in_row != k) {
        pack<T>(rows, k, h, k, 1, memory, in_row);
        h = memory;
      }
      multiply<T, true>(2 * row, in_row, rows, d_pq, 2 * row, h, in_row, Onto::kItself, none,
                        sums.w1, in_row);
      add_row_total(rows, row, d_pq, 2 * row, sums.b1);
    }
    if (b.d_h == nullptr) return;
    T* const d_h = in_row == k ? b.d_h + nodes.first * k : memory;
    multiply<T>(rows, in_row, 2 * row, d_pq, 2 * row, w.w1, in_row, Onto::kZero, none, d_h, in_row);
    if (in_row == k) return;
    for (int64_t t = 0; t < rows; ++t) copy(k, d_h + t * in_row, b.d_h + (nodes.first + t) * k);
  });
}

template <class T>
void reduce(const EgclProblem<T>& p, const EgclSums<T>* sums, int64_t threads,
            const EgclWeightGradients<T>& g) {
  const int64_t d = p.dim, k = p.in_dim, row = p.row_size(), in_row = padded(k);
  const int64_t columns = p.w1_columns();
  T* parts[kMaxThreads];
  const auto write = [&](T* EgclSums<T>::*member, int64_t offset, int64_t rows, int64_t cols,
                         int64_t ld, T* to, int64_t row_stride, int64_t col_stride) {
    for (int64_t i = 0; i < threads; ++i) parts[i] = sums[i].*member + offset;
    reduce_sum(threads, rows, cols, parts, ld, to, row_stride, col_stride);
  };
  using S = EgclSums<T>;
  write(&S::w1, 0, d, k, in_row, g.edge_w1, columns, 1);
  write(&S::w1, row * in_row, d, k, in_row, g.edge_w1 + k, columns, 1);
  write(&S::features, 0, p.features(), d, row, g.edge_w1 + 2 * k, 1, columns);
  write(&S::b1, 0, 1, d, row, g.edge_b1, 0, 1);
  write(&S::w2, 0, d, d, row, g.edge_w2, d, 1);
  write(&S::b2, 0, 1, d, row, g.edge_b2, 0, 1);
  if (p.att_w != nullptr) {
    write(&S::att_w, 0, 1, d, row, g.att_w, 0, 1);
    write(&S::att_b, 0, 1, 1, row, g.att_b, 0, 1);
  }
  if (p.has_head()) {
    write(&S::coord_w1, 0, d, d, row, g.coord_w1, d, 1);
    write(&S::coord_b1, 0, 1, d, row, g.coord_b1, 0, 1);
    write(&S::coord_w2, 0, 1, d, row, g.coord_w2, 0, 1);
  }
}

}  // namespace

template <class T>
EgclBackwardKernels<T> egcl_backward_kernels() {
  return {backward_scratch<T>, backward_edges<T>, backward_nodes<T>, reduce<T>};
}
template EgclBackwardKernels<float> egcl_backward_kernels<float>();
template EgclBackwardKernels<double> egcl_backward_kernels<double>();

}  // namespace tessera::ops::CPU_CAPABILITY
