#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "tessera/ops/edge_list.h"
#include "tessera/ops/sparse_matrix.h"

namespace tessera::ugs {

/// A directed graph as an edge list: messages flow from row 0 (r) to row 1 (c) of `edges`.
struct Graph {
  at::Tensor edges;  ///< (2, E) int64
  int64_t num_nodes = 0;
  ops::EdgeList list = {};  ///< received by the targets; undefined: made where it is needed

  at::Tensor sources() const { return edges.select(0, 0); }
  at::Tensor targets() const { return edges.select(0, 1); }
};

/// Checks indices, and that no edge is there twice unless `may_repeat` (a graph whose self-loops
/// were appended). num_nodes 0 takes the largest index. Throws InvalidArgument.
Graph make_graph(const at::Tensor& edges, int64_t num_nodes, bool may_repeat = false);

/// The graph of these edges (places in graph.edges) alone.
Graph only_edges(const Graph& graph, const at::Tensor& places);

/// Σ over the edges into c of weights_e · x[r_e]. x: (N, H); weights: (E). returns (N, H)
/// One writer for each row: equal bits at every call.
at::Tensor propagate(const at::Tensor& x, const Graph& graph, const at::Tensor& weights);

/// The mean over the edges into each node beside the node's own row, as one sparse product whose
/// pattern is made once.
class MeanPropagation {
 public:
  /// degrees: (N), what the sum of each node is divided by.
  MeanPropagation(const Graph& graph, const at::Tensor& degrees);
  /// own · x_c + Σ over the edges into c of weights_e · x[r_e] / degrees_c.
  /// x: (N, H); weights: (E); own: (1). returns (N, H)
  at::Tensor operator()(const at::Tensor& x, const at::Tensor& weights,
                        const at::Tensor& own) const;

 private:
  ops::SparseMatrix matrix_;  ///< edges, then the nodes themselves; without values
  at::Tensor order_;          ///< which of them each entry is
  at::Tensor share_;          ///< (E) 1 / degrees of the target
};

/// GCN's P x with masks m (E): P = D^-1/2 (A + I)ᵀ D^-1/2, D the row sums of the masked A + I, so
/// that out_c = s_c² x_c + Σ_e s_r s_c m_e x_r. Throws InvalidArgument where a degree is negative.
at::Tensor propagate_normalized(const at::Tensor& x, const Graph& graph, const at::Tensor& mask);

/// The matrix P of propagate_normalized, (N, N): for small graphs.
at::Tensor propagation_matrix(const Graph& graph, const at::Tensor& mask);

/// Softmax over the edges into each node, for each column. logits: (E, K). returns (E, K)
at::Tensor edge_softmax(const at::Tensor& logits, const Graph& graph);

/// Edges into each node, masked ones too: (N) in the dtype of `like`.
at::Tensor in_degrees(const Graph& graph, const at::Tensor& like);

/// Node features, dense or as compressed rows, with the one product that networks take of them.
class Features {
 public:
  Features() = default;
  Features(const at::Tensor& dense) : dense_(dense) {}  // NOLINT: a tensor is features
  /// indptr (N + 1), columns (nnz) int64, values (nnz)
  static Features of_rows(const at::Tensor& indptr, const at::Tensor& columns,
                          const at::Tensor& values, int64_t width);

  /// x · weightᵀ; of sparse features fastest where weightᵀ is contiguous.
  at::Tensor times(const at::Tensor& weight) const;
  /// The same rows in the order of `nodes`.
  Features permuted(const at::Tensor& nodes) const;

  bool is_sparse() const { return rows_.value.defined(); }
  int64_t num_nodes() const { return is_sparse() ? rows_.rows : dense_.size(0); }
  int64_t width() const { return is_sparse() ? rows_.cols : dense_.size(1); }

 private:
  at::Tensor dense_;
  ops::SparseMatrix rows_;
  at::Tensor order_;  ///< rows are taken in this order; undefined: as they are
};

}  // namespace tessera::ugs
