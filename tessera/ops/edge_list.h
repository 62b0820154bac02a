#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>

namespace tessera::ops {

/// The edges of a batch of graphs, sorted by receiver (compressed rows), with the same edges
/// grouped by sender. Sums over a node's edges then have one writer each: deterministic, no
/// atomics. All tensors are int64 on the device of the edge index. Per-edge inputs of operators
/// (edge_attr, edge_weight) stay in the caller's order and are read through `order`.
struct EdgeList {
  int64_t num_nodes = 0;
  int64_t num_given = 0;    ///< edges in the caller's list, E' ≥ E
  at::Tensor row_ptr;       ///< [N+1] edges row_ptr[i] … row_ptr[i+1]-1 are received by node i
  at::Tensor row;           ///< [E] receiver
  at::Tensor col;           ///< [E] sender
  at::Tensor order;         ///< [E] place of each edge in the caller's list
  at::Tensor sender_ptr;    ///< [N+1]
  at::Tensor sender_order;  ///< [E] places in this list, grouped by sender

  int64_t num_edges() const { return row.numel(); }
};

/// edge_index: int64 (2, E'), row 0 the receivers, row 1 the senders. The sort is stable.
/// keep: optional bool or floating (E') or (E', 1); edges with false or 0 are left out. This equals
/// multiplying their messages by 0 where coordinates are summed, not averaged, or not updated.
/// Throws InvalidArgument: shape or dtype, index outside [0, num_nodes).  Cost O(N + E).
EdgeList sort_edges(const at::Tensor& edge_index, int64_t num_nodes,
                    const std::optional<at::Tensor>& keep = std::nullopt);

}  // namespace tessera::ops
