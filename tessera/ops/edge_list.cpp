#include "tessera/ops/edge_list.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <vector>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/library.h>

#include "tessera/core/error.h"
#include "tessera/ops/describe.h"

namespace tessera::ops {

namespace {

void check_shapes(const at::Tensor& edge_index, int64_t num_nodes,
                  const std::optional<at::Tensor>& keep) {
  if (edge_index.scalar_type() != at::kLong || edge_index.dim() != 2 || edge_index.size(0) != 2) {
    fail<InvalidArgument>({.where = "sort_edges",
                           .rule = "edge_index must be int64 of shape (2, E)",
                           .got = describe(edge_index),
                           .next = "Transpose and cast it.",
                           .id = "T-EDGE-01"});
  }
  if (num_nodes < 0) {
    fail<InvalidArgument>({.where = "sort_edges",
                           .rule = "the number of nodes must not be negative",
                           .got = std::to_string(num_nodes),
                           .id = "T-EDGE-02"});
  }
  if (keep && (keep->numel() != edge_index.size(1) || keep->device() != edge_index.device())) {
    fail<InvalidArgument>(
        {.where = "sort_edges",
         .rule = "keep must hold one value for each edge, on its device",
         .got = fmt::format("{} for {} edges", describe(*keep), edge_index.size(1)),
         .id = "T-EDGE-03"});
  }
}

[[noreturn]] void fail_range(int64_t node, int64_t num_nodes) {
  fail<InvalidArgument>({.where = "sort_edges",
                         .rule = fmt::format("edge_index must lie in [0, {})", num_nodes),
                         .got = std::to_string(node),
                         .next = "Check the number of nodes and the offsets of batched graphs.",
                         .id = "T-EDGE-04"});
}

/// begin[k+1] = number of keys ≤ k, begin[0] = 0. Returns whether the keys ascend.
bool count_keys(const int64_t* keys, int64_t count, int64_t num_keys, int64_t* begin) {
  std::fill(begin, begin + num_keys + 1, 0);
  bool ascending = true;
  int64_t previous = 0;
  for (int64_t e = 0; e < count; ++e) {
    const int64_t key = keys[e];
    if (key < 0 || key >= num_keys) fail_range(key, num_keys);
    ++begin[key + 1];
    ascending &= key >= previous;
    previous = key;
  }
  for (int64_t k = 0; k < num_keys; ++k) begin[k + 1] += begin[k];
  return ascending;
}

/// Stable counting sort: place[next[key]++] = position. Consumes `next`.
void place_keys(const int64_t* keys, int64_t count, int64_t* next, int64_t* place) {
  for (int64_t e = 0; e < count; ++e) place[next[keys[e]]++] = e;
}

EdgeList sort_on_cpu(const at::Tensor& index, int64_t num_nodes) {
  const int64_t E = index.size(1);
  const auto options = index.options();
  const int64_t *row = index.const_data_ptr<int64_t>(), *col = row + E;

  EdgeList list{.num_nodes = num_nodes, .num_given = E};
  list.row_ptr = at::empty({num_nodes + 1}, options);
  list.order = at::empty({E}, options);
  list.sender_ptr = at::empty({num_nodes + 1}, options);
  list.sender_order = at::empty({E}, options);
  std::vector<int64_t> next(num_nodes + 1);

  int64_t* order = list.order.mutable_data_ptr<int64_t>();
  int64_t* row_ptr = list.row_ptr.mutable_data_ptr<int64_t>();
  if (count_keys(row, E, num_nodes, row_ptr)) {
    for (int64_t e = 0; e < E; ++e) order[e] = e;
    list.row = index.select(0, 0);
    list.col = index.select(0, 1);
  } else {
    std::copy(row_ptr, row_ptr + num_nodes + 1, next.begin());
    place_keys(row, E, next.data(), order);
    list.row = at::empty({E}, options);
    list.col = at::empty({E}, options);
    int64_t* sorted_row = list.row.mutable_data_ptr<int64_t>();
    int64_t* sorted_col = list.col.mutable_data_ptr<int64_t>();
    for (int64_t e = 0; e < E; ++e) {
      sorted_row[e] = row[order[e]];
      sorted_col[e] = col[order[e]];
    }
    col = sorted_col;
  }
  int64_t* sender_ptr = list.sender_ptr.mutable_data_ptr<int64_t>();
  count_keys(col, E, num_nodes, sender_ptr);
  std::copy(sender_ptr, sender_ptr + num_nodes + 1, next.begin());
  place_keys(col, E, next.data(), list.sender_order.mutable_data_ptr<int64_t>());
  return list;
}

at::Tensor row_begins(const at::Tensor& keys, int64_t num_nodes) {
  const at::Tensor counts = at::bincount(keys, {}, num_nodes);
  return at::constant_pad_nd(at::cumsum(counts, 0), {1, 0});
}

EdgeList sort_on_device(const at::Tensor& index, int64_t num_nodes) {
  EdgeList list{.num_nodes = num_nodes, .num_given = index.size(1)};
  if (index.numel() > 0) {
    const auto [low, high] = index.aminmax();
    if (low.item<int64_t>() < 0) fail_range(low.item<int64_t>(), num_nodes);
    if (high.item<int64_t>() >= num_nodes) fail_range(high.item<int64_t>(), num_nodes);
  }
  const auto argsort = [](const at::Tensor& keys) {
    return std::get<1>(at::sort(keys, /*stable=*/true, /*dim=*/0, /*descending=*/false));
  };
  list.order = argsort(index[0]);
  list.row = index[0].index_select(0, list.order);
  list.col = index[1].index_select(0, list.order);
  list.row_ptr = row_begins(list.row, num_nodes);
  list.sender_order = argsort(list.col);
  list.sender_ptr = row_begins(list.col, num_nodes);
  return list;
}

}  // namespace

EdgeList sort_edges(const at::Tensor& edge_index, int64_t num_nodes,
                    const std::optional<at::Tensor>& keep) {
  const bool drops = keep && keep->defined();
  check_shapes(edge_index, num_nodes, drops ? keep : std::nullopt);
  at::Tensor kept, index = edge_index.detach().contiguous();
  if (drops) {
    kept = keep->detach().reshape({-1}).nonzero().reshape({-1});
    index = index.index_select(1, kept);
  }
  EdgeList list = index.is_cpu() ? sort_on_cpu(index, num_nodes) : sort_on_device(index, num_nodes);
  if (drops) {
    list.order = kept.index_select(0, list.order);
    list.num_given = edge_index.size(1);
  }
  return list;
}

namespace {

using Lists = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

Lists run(const at::Tensor& edge_index, int64_t num_nodes, const std::optional<at::Tensor>& keep) {
  const EdgeList list = sort_edges(edge_index, num_nodes, keep);
  // Results of an operator must not alias its arguments.
  return {list.row_ptr,
          list.row.is_alias_of(edge_index) ? list.row.clone() : list.row,
          list.col.is_alias_of(edge_index) ? list.col.clone() : list.col,
          list.order,
          list.sender_ptr,
          list.sender_order};
}

Lists run_meta(const at::Tensor& edge_index, int64_t num_nodes,
               const std::optional<at::Tensor>& keep) {
  if (keep) {
    fail<Unsupported>({.where = "sort_edges",
                       .rule = "how many edges are kept depends on their values",
                       .next = "Sort the edges outside of what is compiled.",
                       .id = "T-EDGE-05"});
  }
  const auto list = [&](const c10::SymInt& size) { return edge_index.new_empty_symint({size}); };
  const c10::SymInt edges = edge_index.sym_size(1), nodes = num_nodes + 1;
  return {list(nodes), list(edges), list(edges), list(edges), list(nodes), list(edges)};
}

}  // namespace

TORCH_LIBRARY_IMPL(tessera, CPU, m) { m.impl("sort_edges", TORCH_FN(run)); }
TORCH_LIBRARY_IMPL(tessera, CUDA, m) { m.impl("sort_edges", TORCH_FN(run)); }
TORCH_LIBRARY_IMPL(tessera, Meta, m) { m.impl("sort_edges", TORCH_FN(run_meta)); }

}  // namespace tessera::ops
