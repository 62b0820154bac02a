#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace tessera::io {

// The Python pickles of the Planetoid citation graphs (ind.<name>.<part>): protocol 2 as Python 2
// wrote it. A small stack machine knows the 29 opcodes and the six names that occur in them, builds
// values and runs nothing. Everything else is refused by name and place (Unsupported);
// contradictory bytes are BadFile.

/// scipy.sparse.csr_matrix. Every row's columns lie in [0, cols), in the file's order, unrepeated.
struct SparseRows {
  int64_t rows = 0, cols = 0;
  std::vector<int64_t> row_ptr;  ///< [rows+1], ascending from 0
  std::vector<int64_t> col;      ///< [row_ptr.back()]
  std::vector<float> value;      ///< finite
};

/// numpy.ndarray of integers with two axes.
struct IntegerTable {
  int64_t rows = 0, cols = 0;
  std::vector<int64_t> value;  ///< row by row
};

/// defaultdict(list) of node → neighbours, flattened, in the file's order.
struct NeighbourLists {
  std::vector<int64_t> node;       ///< unrepeated, ≥ 0
  std::vector<int64_t> list_ptr;   ///< [nodes+1]
  std::vector<int64_t> neighbour;  ///< ≥ 0; may repeat
};

SparseRows parse_sparse_pickle(std::span<const std::byte> bytes, std::string_view file = {});
IntegerTable parse_table_pickle(std::span<const std::byte> bytes, std::string_view file = {});
NeighbourLists parse_graph_pickle(std::span<const std::byte> bytes, std::string_view file = {});

}  // namespace tessera::io
