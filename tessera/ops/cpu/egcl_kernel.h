#pragma once

// What the caller (egcl.cpp) and the kernels (egcl_*_kernel.cpp) of the edge pass share: plain
// pointers and sizes, no torch.

#include <cstdint>

#include "tessera/ops/cpu/padding.h"
#include "tessera/ops/kinds.h"

namespace tessera::ops {

/// The arguments of an edge pass. Absent tensors are null.
template <class T>
struct EgclProblem {
  int64_t num_nodes, num_edges, in_dim, dim, coord_dim, attr_dim;
  Activation activation;
  CoordNorm coord_norm;
  bool coord_tanh, coord_mean, has_clamp, weigh_coords;
  T coord_clamp;

  const int64_t *row_ptr, *row, *col, *order, *sender_ptr, *sender_order;
  const T *h, *x, *edge_attr, *edge_weight;
  const T *edge_w1, *edge_b1, *edge_w2, *edge_b2, *att_w, *att_b, *coord_w1, *coord_b1, *coord_w2;

  constexpr bool has_head() const { return coord_w2 != nullptr; }
  /// Columns of W1 behind those of h_i and h_j: the squared distance and the edge attributes.
  constexpr int64_t features() const { return (x != nullptr ? 1 : 0) + attr_dim; }
  constexpr int64_t w1_columns() const { return 2 * in_dim + features(); }
  constexpr int64_t row_size() const { return padded(dim); }
};

/// Weights in the order in which the kernels read them: depth-major, padded, one after the other.
/// `backward` holds what only the backward reads.
template <class T>
struct EgclPacked {
  T* w1_t;                              ///< [in_dim, 2·row]: P's and Q's weights side by side
  T* b1;                                ///< [2·row]: b1, then zeros
  T* features_t;                        ///< [features, row]
  T *w2_t, *b2, *att_w;                 ///< [dim, row], [row], [row]
  T *coord_w1_t, *coord_b1, *coord_w2;  ///< [dim, row], [row], [row]
  T *w1, *w2, *coord_w1;  ///< backward: [2·row, padded(in_dim)], [dim, row], [dim, row]
};

/// What the forward leaves to the backward.
template <class T>
struct EgclSaved {
  T* pq;       ///< [N, 2·row]: P_i + b1 and Q_i, the two halves of the split first Linear
  T *z2, *z3;  ///< [E, row] pre-activations; null where they are not kept
  T* gate;     ///< [E] attention; null where it is not kept
  T* s;        ///< [E] weight of the difference, after tanh; null where it is not kept
};

template <class T>
struct EgclForward {
  EgclSaved<T> saved;
  T *agg, *x_delta;  ///< [N, dim], [N, coord_dim]
};

/// Sums of one thread, added up in the order of the threads. Padded like the packed weights.
template <class T>
struct EgclSums {
  T* w1;               ///< [2·row, padded(in_dim)]
  T *b1, *features;    ///< [row], [features, row]
  T *w2, *b2, *att_w;  ///< [dim, row], [row], [row]
  T* att_b;            ///< [kLane], one used
  T *coord_w1, *coord_b1, *coord_w2;
};

template <class T>
struct EgclBackward {
  EgclSaved<T> saved;
  const T *d_agg, *d_x_delta;  ///< null: zero
  bool needs_weights;
  T *d_h, *d_x, *d_edge_attr, *d_edge_weight;  ///< null: not wanted
  T* d_z1;                                     ///< [E, row] scratch
  T* d_diff;                                   ///< [E, coord_dim] scratch
  T* d_pq;                                     ///< [N, 2·row] scratch
};

/// Gradients of the weights in the authors' layout; null where a weight is absent.
template <class T>
struct EgclWeightGradients {
  T *edge_w1, *edge_b1, *edge_w2, *edge_b2, *att_w, *att_b, *coord_w1, *coord_b1, *coord_w2;
};

/// The loops of one instruction set. Ranges are of nodes; scratch belongs to the calling thread.
template <class T>
struct EgclForwardKernels {
  void (*pack)(const EgclProblem<T>&, bool backward, const EgclPacked<T>&);
  int64_t (*scratch_size)(const EgclProblem<T>&);
  /// P and Q of a range of nodes; complete before any edge is visited.
  void (*nodes)(const EgclProblem<T>&, const EgclPacked<T>&, T* pq, int64_t begin, int64_t end);
  /// agg and x_delta of a range of receivers.
  void (*edges)(const EgclProblem<T>&, const EgclPacked<T>&, const EgclForward<T>&, int64_t begin,
                int64_t end, T* scratch);
};

template <class T>
struct EgclBackwardKernels {
  int64_t (*scratch_size)(const EgclProblem<T>&);
  /// All edges of a range of receivers: their part of the weights' sums, d_z1, d_diff, P's half of
  /// d_pq, d_edge_attr and d_edge_weight.
  void (*edges)(const EgclProblem<T>&, const EgclPacked<T>&, const EgclBackward<T>&,
                const EgclSums<T>&, int64_t begin, int64_t end, T* scratch);
  /// After all edges: Q's half of d_pq by sender, then d_h, d_x and the rest of the weights' sums.
  void (*nodes)(const EgclProblem<T>&, const EgclPacked<T>&, const EgclBackward<T>&,
                const EgclSums<T>&, int64_t begin, int64_t end, T* scratch);
  /// Adds the threads' sums and writes them in the authors' layout.
  void (*reduce)(const EgclProblem<T>&, const EgclSums<T>* sums, int64_t threads,
                 const EgclWeightGradients<T>&);
};

namespace AVX512 {
template <class T>
EgclForwardKernels<T> egcl_forward_kernels();
template <class T>
EgclBackwardKernels<T> egcl_backward_kernels();
}  // namespace AVX512
namespace AVX2 {
template <class T>
EgclForwardKernels<T> egcl_forward_kernels();
template <class T>
EgclBackwardKernels<T> egcl_backward_kernels();
}  // namespace AVX2
namespace DEFAULT {
template <class T>
EgclForwardKernels<T> egcl_forward_kernels();
template <class T>
EgclBackwardKernels<T> egcl_backward_kernels();
}  // namespace DEFAULT

}  // namespace tessera::ops
