#include "tessera/io/planetoid_pickle.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>
#include <string>

#include "tessera/io/cursor.h"
#include "tessera/io/pickle.h"

namespace tessera::io {
namespace {

using pickle::Array;
using pickle::Id;
using pickle::Kind;
using pickle::Value;
using pickle::Values;

template <class Unsigned>
Unsigned load(const Array& array, size_t i) {
  const auto bytes = array.data.subspan(i * sizeof(Unsigned), sizeof(Unsigned));
  return array.is_big_endian ? load_big<Unsigned>(bytes) : load_little<Unsigned>(bytes);
}

std::optional<int64_t> integer_at(const Array& array, size_t i) {
  if (array.type == "i4") return static_cast<int32_t>(load<uint32_t>(array, i));
  if (array.type == "i8") return static_cast<int64_t>(load<uint64_t>(array, i));
  return std::nullopt;
}

double real_at(const Array& array, size_t i) {
  if (array.type == "f4") return std::bit_cast<float>(load<uint32_t>(array, i));
  if (array.type == "f8") return std::bit_cast<double>(load<uint64_t>(array, i));
  return static_cast<double>(*integer_at(array, i));
}

/// A matrix's index array of one axis.
std::vector<int64_t> indices_of(const Values& pickled, const Value* part, std::string_view what) {
  if (part == nullptr) pickled.wrong(what, "there");
  const Array array = pickled.array_of(*part, what);
  if (array.shape.size() != 1 || array.type[0] != 'i') pickled.wrong(what, "integers of one axis");
  std::vector<int64_t> values(static_cast<size_t>(array.size()));
  for (size_t i = 0; i < values.size(); ++i) values[i] = *integer_at(array, i);
  return values;
}

}  // namespace

SparseRows parse_sparse_pickle(std::span<const std::byte> bytes, std::string_view file) {
  const Origin origin{"planetoid", file};
  const Values pickled = pickle::run(bytes, origin);
  const Value& top = pickled.whole();
  if (top.kind != Kind::kCsr || !top.is_built) pickled.wrong("the pickle", "a csr_matrix");
  const Value& state = pickled.value(static_cast<Id>(top.number));

  SparseRows matrix;
  const Value* shape = pickled.find(state, "_shape");
  if (shape == nullptr) pickled.wrong("_shape", "there");
  const std::vector<int64_t> sizes = pickled.shape_of(*shape, "_shape");
  if (sizes.size() != 2) pickled.wrong("_shape", "two sizes");
  matrix.rows = sizes[0];
  matrix.cols = sizes[1];
  matrix.row_ptr = indices_of(pickled, pickled.find(state, "indptr"), "indptr");
  matrix.col = indices_of(pickled, pickled.find(state, "indices"), "indices");
  const Value* data = pickled.find(state, "data");
  if (data == nullptr) pickled.wrong("data", "there");
  const Array values = pickled.array_of(*data, "data");

  const auto inconsistent = [&](std::string_view rule, const std::string& got) {
    origin.bad("T-PKL-11", rule, got);
  };
  const size_t count = matrix.col.size();
  if (values.shape.size() != 1 || static_cast<size_t>(values.size()) != count) {
    inconsistent("indices and data must have one length", std::to_string(count));
  }
  if (matrix.row_ptr.size() != static_cast<size_t>(matrix.rows) + 1 || matrix.row_ptr[0] != 0 ||
      matrix.row_ptr.back() != static_cast<int64_t>(count)) {
    inconsistent("indptr must go from 0 to the number of values in one step a row",
                 std::to_string(matrix.row_ptr.size()) + " places");
  }
  if (!std::is_sorted(matrix.row_ptr.begin(), matrix.row_ptr.end())) {
    inconsistent("indptr must ascend", "a step down");
  }
  std::vector<int64_t> row;
  for (size_t r = 0; r + 1 < matrix.row_ptr.size(); ++r) {
    row.assign(matrix.col.begin() + matrix.row_ptr[r], matrix.col.begin() + matrix.row_ptr[r + 1]);
    std::sort(row.begin(), row.end());
    if (!row.empty() && (row.front() < 0 || row.back() >= matrix.cols)) {
      inconsistent("indices must lie in [0, " + std::to_string(matrix.cols) + ")",
                   std::to_string(row.front() < 0 ? row.front() : row.back()));
    }
    if (std::adjacent_find(row.begin(), row.end()) != row.end()) {
      inconsistent("a row must hold a column once", "a repetition in row " + std::to_string(r));
    }
  }
  matrix.value.resize(count);
  for (size_t i = 0; i < count; ++i) {
    matrix.value[i] = static_cast<float>(real_at(values, i));
    if (!std::isfinite(matrix.value[i])) inconsistent("data must be finite", "inf or nan");
  }
  return matrix;
}

IntegerTable parse_table_pickle(std::span<const std::byte> bytes, std::string_view file) {
  const Values pickled = pickle::run(bytes, {"planetoid", file});
  const Array array = pickled.array_of(pickled.whole(), "the pickle");
  if (array.shape.size() != 2 || array.type[0] != 'i') {
    pickled.wrong("the pickle", "integers of two axes");
  }
  IntegerTable table{.rows = array.shape[0], .cols = array.shape[1]};
  table.value.resize(static_cast<size_t>(array.size()));
  for (size_t i = 0; i < table.value.size(); ++i) table.value[i] = *integer_at(array, i);
  return table;
}

NeighbourLists parse_graph_pickle(std::span<const std::byte> bytes, std::string_view file) {
  const Origin origin{"planetoid", file};
  const Values pickled = pickle::run(bytes, origin);
  const Value& top = pickled.whole();
  if (top.kind != Kind::kDict || !top.is_default_dict) {
    pickled.wrong("the pickle", "a defaultdict of lists");
  }
  const auto node_of = [&](Id id, std::string_view what) {
    const Value& node = pickled.value(id);
    if (node.kind != Kind::kInt || node.number < 0) {
      origin.bad("T-PKL-12", std::string(what) + " must be an integer from 0", "something else");
    }
    return node.number;
  };
  NeighbourLists lists;
  lists.list_ptr.push_back(0);
  for (size_t i = 0; i < top.items.size(); i += 2) {
    lists.node.push_back(node_of(top.items[i], "a node"));
    const Value& list = pickled.value(top.items[i + 1]);
    if (list.kind != Kind::kList)
      origin.bad("T-PKL-12", "a node must have a list", "something else");
    // A list that many nodes share would multiply the file's size.
    if (lists.neighbour.size() + list.items.size() > bytes.size()) {
      origin.bad("T-PKL-12", "the lists must not be larger than the file", "one list many times");
    }
    for (const Id id : list.items) lists.neighbour.push_back(node_of(id, "a neighbour"));
    lists.list_ptr.push_back(static_cast<int64_t>(lists.neighbour.size()));
  }
  std::vector<int64_t> nodes = lists.node;
  std::sort(nodes.begin(), nodes.end());
  if (const auto twice = std::adjacent_find(nodes.begin(), nodes.end()); twice != nodes.end()) {
    origin.bad("T-PKL-14", "a node must have one list", "two of node " + std::to_string(*twice));
  }
  return lists;
}

}  // namespace tessera::io
