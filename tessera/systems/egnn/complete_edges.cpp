#include "tessera/systems/egnn/complete_edges.h"

#include <ATen/ATen.h>

namespace tessera::egnn {

at::Tensor CompleteEdges::of(int64_t graphs, int64_t nodes) const {
  const std::lock_guard lock(mutex_);
  at::Tensor& list = lists_[{graphs, nodes}];
  if (list.defined()) return list;
  const int64_t per_graph = count(nodes);
  list = at::empty({2, graphs * per_graph}, at::kLong);
  int64_t* row = list.mutable_data_ptr<int64_t>();
  int64_t* col = row + graphs * per_graph;
  for (int64_t first = 0; first < graphs * nodes; first += nodes) {
    for (int64_t i = first; i < first + nodes; ++i) {
      for (int64_t j = first; j < first + nodes; ++j) {
        if (i == j && loops_ == Loops::kNone) continue;
        *row++ = i;
        *col++ = j;
      }
    }
  }
  return list;
}

at::Tensor CompleteEdges::ids(int64_t graphs, int64_t nodes) const {
  const std::lock_guard lock(mutex_);
  at::Tensor& ids = ids_[{graphs, nodes}];
  if (!ids.defined()) ids = at::arange(count(nodes), at::kLong).repeat({graphs});
  return ids;
}

}  // namespace tessera::egnn
