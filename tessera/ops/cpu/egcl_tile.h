#pragma once

// The steps of an edge tile that forward and backward share. Included by kernel files only.

#include "tessera/ops/cpu/egcl_kernel.h"
#include "tessera/ops/cpu/pointwise.h"
#include "tessera/ops/cpu/tile.h"

namespace tessera::ops::CPU_CAPABILITY {

/// What an edge knows of its two positions.
template <class T>
struct Geometry {
  T* features;  ///< [count, features] r², then the edge attributes: the last columns W1 reads
  T* diff;      ///< [count, n] x_i - x_j
  T* radius;    ///< [count] ‖x_i - x_j‖
  T* scale;     ///< [count] what coord_norm multiplies the difference by

  static int64_t size(const EgclProblem<T>& p) {
    return padded(kTileRows * p.features()) + padded(kTileRows * p.coord_dim) +
           2 * padded(kTileRows);
  }
  Geometry(const EgclProblem<T>& p, Scratch<T>& scratch)
      : features(scratch.take(kTileRows * p.features())),
        diff(scratch.take(kTileRows * p.coord_dim)),
        radius(scratch.take(kTileRows)),
        scale(scratch.take(kTileRows)) {
    fill_zero(radius, kTileRows);  // whole vectors of it are read
  }
};

template <class T>
void read_geometry(const EgclProblem<T>& p, RowRange edges, const Geometry<T>& g) {
  const int64_t n = p.coord_dim, width = p.features();
  for (int64_t t = 0; t < edges.count; ++t) {
    const int64_t e = edges.first + t;
    T* features = g.features + t * width;
    if (p.x != nullptr) {
      const T *x_i = p.x + p.row[e] * n, *x_j = p.x + p.col[e] * n;
      T r2 = 0;
      for (int64_t c = 0; c < n; ++c) {
        const T difference = x_i[c] - x_j[c];
        g.diff[t * n + c] = difference;
        r2 += difference * difference;
      }
      *features++ = r2;
      g.radius[t] = r2;
    }
    const T* attr = p.edge_attr + p.order[e] * p.attr_dim;
    for (int64_t k = 0; k < p.attr_dim; ++k) features[k] = attr[k];
  }
  if (p.x == nullptr) return;
  for (int64_t t = 0; t < kTileRows; t += Vec<T>::size()) {
    const Vec<T> one(T(1)), radius = Vec<T>::loadu(g.radius + t).sqrt();
    const T offset = p.coord_norm == CoordNorm::kUnit ? T(kUnitNormEpsilon) : T(1);
    const Vec<T> scale = p.coord_norm == CoordNorm::kNone ? one : one / (radius + Vec<T>(offset));
    radius.store(g.radius + t);
    scale.store(g.scale + t);
  }
}

/// z1 = P_i + Q_j + W_r r² + W_e e_ij (eq. 3 with its first Linear split).
template <class T>
void first_preactivation(const EgclProblem<T>& p, const EgclPacked<T>& w, const T* pq,
                         RowRange edges, const Geometry<T>& g, T* z1) {
  const int64_t row = p.row_size(), width = p.features();
  for (int64_t t = 0; t < edges.count; ++t) {
    const T* p_i = pq + p.row[edges.first + t] * 2 * row;
    const T* q_j = pq + p.col[edges.first + t] * 2 * row + row;
    const T* features = g.features + t * width;
    for (int64_t c = 0; c < row; c += Vec<T>::size()) {
      Vec<T> z = Vec<T>::loadu(p_i + c) + Vec<T>::loadu(q_j + c);
      for (int64_t k = 0; k < width; ++k) {
        z = at::vec::fmadd(Vec<T>(features[k]), Vec<T>::loadu(w.features_t + k * row + c), z);
      }
      z.store(z1 + t * row + c);
    }
  }
}

/// factor = gate · edge_weight: what a message is multiplied by.
template <class T>
void message_factor(const EgclProblem<T>& p, RowRange edges, const T* gate, T* factor) {
  for (int64_t t = 0; t < edges.count; ++t) {
    const T attention = p.att_w != nullptr ? gate[t] : T(1);
    const T weight = p.edge_weight != nullptr ? p.edge_weight[p.order[edges.first + t]] : T(1);
    factor[t] = attention * weight;
  }
}

/// What the coordinate step of edge e is multiplied by.
template <class T>
T step_weight(const EgclProblem<T>& p, int64_t e) {
  return p.weigh_coords ? p.edge_weight[p.order[e]] : T(1);
}

/// to (rows of the tile) = factor · from.
template <class T>
void scale_rows(int64_t rows, int64_t row, const T* from, const T* factor, T* to) {
  for (int64_t t = 0; t < rows; ++t) {
    const Vec<T> f(factor[t]);
    for (int64_t c = 0; c < row; c += Vec<T>::size()) {
      (Vec<T>::loadu(from + t * row + c) * f).store(to + t * row + c);
    }
  }
}

/// Calls body(receiver, first row of the tile, rows) for each run of edges with one receiver.
template <class T, class Body>
inline void for_each_receiver(const EgclProblem<T>& p, RowRange edges, const Body& body) {
  for (int64_t t = 0; t < edges.count;) {
    const int64_t i = p.row[edges.first + t];
    const int64_t end = p.row_ptr[i + 1] - edges.first;
    const int64_t stop = end < edges.count ? end : edges.count;
    body(i, t, stop - t);
    t = stop;
  }
}

}  // namespace tessera::ops::CPU_CAPABILITY
