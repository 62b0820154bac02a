#pragma once

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

namespace tessera::ugs {

/// Pairs of nodes (n, 2) for training, validation and test of link prediction.
struct LinkSplit {
  at::Tensor train_edges;  ///< (2, E') both directions, row-major sorted: what the encoder sees
  at::Tensor validation, validation_none, test, test_none;
};

/// Self-loops are removed; a share of the undirected edges goes to test and to validation in
/// shuffled order, without those whose removal would part the graph further; as many pairs that
/// are no edges are drawn for each. edges: (2, E) both directions.
LinkSplit split_links(const at::Tensor& edges, int64_t num_nodes, double test, double validation,
                      at::Generator generator);

}  // namespace tessera::ugs
