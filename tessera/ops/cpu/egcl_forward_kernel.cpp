#include "tessera/ops/cpu/egcl_tile.h"

namespace tessera::ops::CPU_CAPABILITY {

namespace {

template <class T>
void pack_weights(const EgclProblem<T>& p, bool backward, const EgclPacked<T>& w) {
  const int64_t d = p.dim, row = p.row_size(), k = p.in_dim, columns = p.w1_columns();
  pack<T>(p.features(), d, p.edge_w1 + 2 * k, 1, columns, w.features_t, row);
  pack<T>(1, d, p.edge_b1, 0, 1, w.b1, row);
  fill_zero(w.b1 + row, row);
  pack<T>(1, d, p.edge_b2, 0, 1, w.b2, row);
  if (p.att_w != nullptr) pack<T>(1, d, p.att_w, 0, 1, w.att_w, row);
  if (p.has_head()) {
    pack<T>(1, d, p.coord_b1, 0, 1, w.coord_b1, row);
    pack<T>(1, d, p.coord_w2, 0, 1, w.coord_w2, row);
  }
  if (!backward) {
    pack<T>(k, d, p.edge_w1, 1, columns, w.w1_t, 2 * row);
    pack<T>(k, d, p.edge_w1 + k, 1, columns, w.w1_t + row, 2 * row);
    pack<T>(d, d, p.edge_w2, 1, d, w.w2_t, row);
    if (p.has_head()) pack<T>(d, d, p.coord_w1, 1, d, w.coord_w1_t, row);
    return;
  }
  const int64_t in_row = padded(k);
  fill_zero(w.w1, 2 * row * in_row);
  pack<T>(d, k, p.edge_w1, columns, 1, w.w1, in_row);
  pack<T>(d, k, p.edge_w1 + k, columns, 1, w.w1 + row * in_row, in_row);
  pack<T>(d, d, p.edge_w2, d, 1, w.w2, row);
  if (p.has_head()) pack<T>(d, d, p.coord_w1, d, 1, w.coord_w1, row);
}

template <class T>
int64_t forward_scratch(const EgclProblem<T>& p) {
  return 2 * kTileRows * p.row_size() + Geometry<T>::size(p) + 3 * padded(kTileRows);
}

template <class T>
void forward_nodes(const EgclProblem<T>& p, const EgclPacked<T>& w, T* pq, int64_t begin,
                   int64_t end) {
  const int64_t k = p.in_dim, width = 2 * p.row_size();
  multiply<T>(end - begin, width, k, p.h + begin * k, k, w.w1_t, width, Onto::kBias, w.b1,
              pq + begin * width, width);
}

/// s_ij = c2·act(z3), through tanh where asked for.
template <class T>
void coordinate_weight(const EgclProblem<T>& p, const EgclPacked<T>& w, RowRange edges, const T* z3,
                       T* s) {
  const int64_t row = p.row_size();
  with_activation(p.activation, [&](auto act) {
    for (int64_t t = 0; t < edges.count; ++t) {
      Vec<T> sum(T(0));
      for (int64_t c = 0; c < row; c += Vec<T>::size()) {
        sum = at::vec::fmadd(act.template value<T>(Vec<T>::loadu(z3 + t * row + c)),
                             Vec<T>::loadu(w.coord_w2 + c), sum);
      }
      s[t] = total(sum);
    }
  });
  if (!p.coord_tanh) return;
  for (int64_t t = 0; t < kTileRows; t += Vec<T>::size()) {
    Vec<T>::loadu(s + t).tanh().store(s + t);
  }
}

template <class T>
void forward_edges(const EgclProblem<T>& p, const EgclPacked<T>& w, const EgclForward<T>& f,
                   int64_t begin, int64_t end, T* memory) {
  const int64_t d = p.dim, row = p.row_size(), n = p.coord_dim;
  Scratch<T> scratch{memory};
  const Geometry<T> g(p, scratch);
  T* const a = scratch.take(kTileRows * row);
  T* const m = scratch.take(kTileRows * row);
  T* const gate = scratch.take(kTileRows);
  T* const factor = scratch.take(kTileRows);
  T* const s = scratch.take(kTileRows);
  fill_zero(s, kTileRows);  // whole vectors of it go through tanh
  fill_zero(gate, kTileRows);

  fill_zero(f.agg + begin * d, (end - begin) * d);
  if (p.has_head()) fill_zero(f.x_delta + begin * n, (end - begin) * n);

  for_each_tile(p.row_ptr[begin], p.row_ptr[end], [&](RowRange edges) {
    read_geometry(p, edges, g);
    first_preactivation(p, w, f.saved.pq, edges, g, a);
    activate(p.activation, edges.count * row, a, a);

    T* const z2 = f.saved.z2 != nullptr ? f.saved.z2 + edges.first * row : m;
    multiply<T>(edges.count, row, d, a, row, w.w2_t, row, Onto::kBias, w.b2, z2, row);
    activate(p.activation, edges.count * row, z2, m);

    if (p.att_w != nullptr) {
      for (int64_t t = 0; t < edges.count; ++t) gate[t] = dot(m + t * row, w.att_w, row) + *p.att_b;
      for (int64_t t = 0; t < kTileRows; t += Vec<T>::size()) {
        sigmoid<T>(Vec<T>::loadu(gate + t)).store(gate + t);
      }
      if (f.saved.gate != nullptr) copy(edges.count, gate, f.saved.gate + edges.first);
    }
    if (p.att_w != nullptr || p.edge_weight != nullptr) {
      message_factor(p, edges, gate, factor);
      scale_rows(edges.count, row, m, factor, m);
    }
    for_each_receiver(p, edges, [&](int64_t i, int64_t t, int64_t count) {
      add_rows(count, d, m + t * row, row, f.agg + i * d);
    });
    if (!p.has_head()) return;

    T* const z3 = f.saved.z3 != nullptr ? f.saved.z3 + edges.first * row : a;
    multiply<T>(edges.count, row, d, m, row, w.coord_w1_t, row, Onto::kBias, w.coord_b1, z3, row);
    coordinate_weight(p, w, edges, z3, s);
    if (f.saved.s != nullptr) copy(edges.count, s, f.saved.s + edges.first);
    for (int64_t t = 0; t < edges.count; ++t) {
      T* delta = f.x_delta + p.row[edges.first + t] * n;
      const T weight = step_weight(p, edges.first + t);
      for (int64_t c = 0; c < n; ++c) {
        T step = g.diff[t * n + c] * g.scale[t] * s[t];
        if (p.has_clamp) step = clamped(step, p.coord_clamp);
        delta[c] += weight * step;
      }
    }
  });

  if (!p.has_head() || !p.coord_mean) return;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t count = p.row_ptr[i + 1] - p.row_ptr[i];
    if (count == 0) continue;
    for (int64_t c = 0; c < n; ++c) f.x_delta[i * n + c] /= T(count);
  }
}

}  // namespace

template <class T>
EgclForwardKernels<T> egcl_forward_kernels() {
  return {pack_weights<T>, forward_scratch<T>, forward_nodes<T>, forward_edges<T>};
}
template EgclForwardKernels<float> egcl_forward_kernels<float>();
template EgclForwardKernels<double> egcl_forward_kernels<double>();

}  // namespace tessera::ops::CPU_CAPABILITY
