#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::egnn {

/// An undirected graph without loops.
class UndirectedGraph {
 public:
  explicit UndirectedGraph(int64_t num_nodes)
      : num_nodes_(num_nodes), adjacency_(static_cast<size_t>(num_nodes * num_nodes), 0) {}

  int64_t num_nodes() const { return num_nodes_; }
  bool has_edge(int64_t a, int64_t b) const { return adjacency_[index(a, b)] != 0; }
  void add_edge(int64_t a, int64_t b) { adjacency_[index(a, b)] = adjacency_[index(b, a)] = 1; }
  /// Ordered pairs: twice the edges.
  int64_t num_edges() const;
  /// num_nodes × num_nodes, 0 or 1, row-major.
  const std::vector<uint8_t>& adjacency() const { return adjacency_; }

 private:
  size_t index(int64_t a, int64_t b) const { return static_cast<size_t>(a * num_nodes_ + b); }

  int64_t num_nodes_;
  std::vector<uint8_t> adjacency_;
};

/// The authors' random graphs (ae_datasets), graph by graph:
///   erdos_renyi_P_SPLIT  G(n, P) for n = 7 … 16 in turn, shuffled; 5000 train, 500 val, 500 test
///   erdos_renyi_P_overfit  100 graphs, the same in every split
///   community_SPLIT      two communities G(6 … 10, 0.7), sparsely joined; sizes as above
///   community_overfit    100 graphs
/// and, for the symmetry experiment, `cycles`: C4 … C10.
/// Throws InvalidArgument on another name.
std::vector<UndirectedGraph> make_graphs(const std::string& name);

}  // namespace tessera::egnn
