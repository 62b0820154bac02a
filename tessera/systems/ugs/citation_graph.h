#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace tessera::ugs {

/// One graph with node features, classes and the standard split.
struct CitationGraph {
  at::Tensor features;                 ///< (N, F) float32, as the file holds them
  at::Tensor edges;                    ///< (2, E) int64, row-major sorted, both directions
  at::Tensor labels;                   ///< (N) int64
  at::Tensor train, validation, test;  ///< (n) int64, nodes

  int64_t num_nodes() const { return features.size(0); }
};

/// <root>/planetoid/<name>.safetensors; Cora where there is none from the copy that ships with the
/// library. Throws Io (not there), BadFile.
CitationGraph load_citation_graph(const std::string& name, const std::string& data_root);

/// Every row divided by its sum; a row that sums to 0 stays as it is.
at::Tensor row_normalized(const at::Tensor& features);

}  // namespace tessera::ugs
