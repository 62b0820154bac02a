#pragma once

#include <cstdint>
#include <string>

// What a graph network and its task offer to a search that weighs and prunes edges. A model derives
// from the first beside Model, a task from the second beside Task; the search asks by dynamic_cast.

namespace tessera {

/// A graph network that multiplies what an edge does by a weight of its own.
class TakesEdgeWeights {
 public:
  virtual ~TakesEdgeWeights() = default;
  /// The input of run() that holds the weights, floating, (E) in the order of edge_index. The
  /// output is differentiable in them, weights of 1 give the bits of no weights, and an edge of
  /// weight 0 does nothing. Empty where this configuration takes none.
  virtual std::string edge_weight_input() const { return "edge_weight"; }
};

/// The input of run() that says which edge each column of edge_index is: int64 (E).
inline constexpr const char* kEdgeId = "edge_id";

/// A task whose examples share their edges, so that what is learned of one holds in all splits.
class SharedEdges {
 public:
  virtual ~SharedEdges() = default;
  /// How many edges there are; batches hold kEdgeId, each value in [0, num_edges()). 0 where the
  /// graphs of this configuration differ: its batches name no edges.
  virtual int64_t num_edges() const = 0;
};

}  // namespace tessera
