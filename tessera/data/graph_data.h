#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace tessera::data {

/// One graph with node features, classes and a split.
struct GraphData {
  at::Tensor features;                 ///< (N, F) float32, as the files hold them
  at::Tensor edges;                    ///< (2, E) int64, row-major sorted, no duplicates
  at::Tensor labels;                   ///< (N) or (N, tasks) int64
  at::Tensor train, validation, test;  ///< (n) int64, nodes

  int64_t num_nodes() const { return features.size(0); }
};

/// Every row divided by its sum; a row that sums to 0 stays as it is.
at::Tensor row_normalized(const at::Tensor& features);

/// Both directions of every edge, row-major sorted, duplicates merged, self-loops kept once.
/// edges: (2, E) int64.
at::Tensor undirected(const at::Tensor& edges, int64_t num_nodes);

/// The edges followed by (v, v) of every node in order.
at::Tensor with_self_loops(const at::Tensor& edges, int64_t num_nodes);

/// Edges of the link task, each once with its smaller node first, and as many pairs that are none.
struct LinkSplit {
  at::Tensor train, validation, test;                 ///< (2, n) int64
  at::Tensor train_none, validation_none, test_none;  ///< (2, n) int64, unrepeated
  at::Tensor edges() const;  ///< both directions of `train`: what the encoder sees
};

/// Removes self-loops, then takes ⌊test·E⌋ and ⌊validation·E⌋ undirected edges in shuffled order
/// for test and validation, skipping those without which the graph would fall into more parts.
/// Where too few can be taken the split has fewer, and no more pairs than that. The non-edges are
/// drawn uniformly, unrepeated within and across the three sets. Throws InvalidArgument: fractions
/// outside [0, 1), a graph too dense to hold as many non-edges.
/// Cost: a search for another path for every edge that is tried.
LinkSplit split_links(const at::Tensor& edges, int64_t num_nodes, at::Generator generator,
                      double test = 0.1, double validation = 0.05);

/// `count` pairs (2, count) of nodes drawn uniformly with repetition, as a batch of a link task
/// that takes random pairs for negatives.
at::Tensor random_pairs(int64_t num_nodes, int64_t count, at::Generator generator);

/// Throws BadFile where edges, labels or split do not fit the features; `where` names the reader.
void check_graph(const GraphData& graph, const std::string& where);

}  // namespace tessera::data
