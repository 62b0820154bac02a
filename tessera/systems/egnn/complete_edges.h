#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <mutex>
#include <utility>

namespace tessera::egnn {

/// Edge lists of B complete graphs of n nodes each, int64 (2, E), row-major in each graph. Every
/// list is made once: batches of one shape share it. Safe to call from several threads.
class CompleteEdges {
 public:
  enum class Loops { kNone, kAll };
  explicit CompleteEdges(Loops loops) : loops_(loops) {}

  at::Tensor of(int64_t graphs, int64_t nodes) const;
  /// Which edge of its graph each of these is, int64 (E): the place of (i, j) among the ordered
  /// pairs. Equal graphs share their edges.
  at::Tensor ids(int64_t graphs, int64_t nodes) const;
  int64_t count(int64_t nodes) const { return nodes * (loops_ == Loops::kAll ? nodes : nodes - 1); }

 private:
  Loops loops_;
  mutable std::mutex mutex_;
  mutable std::map<std::pair<int64_t, int64_t>, at::Tensor> lists_, ids_;
};

}  // namespace tessera::egnn
