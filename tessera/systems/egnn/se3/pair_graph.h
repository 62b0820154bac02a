#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace tessera::egnn::se3 {

/// The complete graphs of a batch of systems of n particles, held as unordered pairs.
///
/// U = B·n(n−1)/2 pairs {i < j}; pair u carries the edges i→j and j→i, in this order, as edges 2u
/// and 2u+1 (E = 2U). Both have the same length, so radial functions are computed once per pair.
/// Every node has n−1 incoming and n−1 outgoing edges: sums over them are sums over an axis, with
/// no scatter, and so deterministic.
class PairGraph {
 public:
  PairGraph(int64_t num_systems, int64_t num_particles, at::Device device);

  int64_t num_nodes() const { return num_nodes_; }
  int64_t num_pairs() const { return num_nodes_ * fan_ / 2; }
  int64_t num_edges() const { return num_nodes_ * fan_; }

  /// (N, …) → (E, …): each edge takes the row of its sender.
  at::Tensor of_senders(const at::Tensor& nodes) const;
  /// (E, …) → (N, n−1, …): the edges that enter each node.
  at::Tensor entering(const at::Tensor& edges) const;
  /// (E, …) → (E, …), sender by sender and, within it, receiver by receiver.
  at::Tensor by_sender(const at::Tensor& edges) const;
  /// x[receiver] − x[sender]: (N, 3) → (E, 3).
  at::Tensor displacements(const at::Tensor& x_N3) const;

 private:
  int64_t num_nodes_, fan_;
  at::Tensor sender_E_, receiver_E_;
  at::Tensor outgoing_E_, incoming_E_;  ///< edges ordered by sender, by receiver
  at::Tensor position_E_;               ///< where each edge stands in incoming_E_
};

}  // namespace tessera::egnn::se3
