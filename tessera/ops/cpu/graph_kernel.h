#pragma once

// What the callers (masked_propagate.cpp, sparse_linear.cpp, edge_softmax.cpp, sparsity_adam.cpp)
// and the kernels (graph_kernel.cpp) share: no torch.

#include <cstdint>

#include "tessera/ops/graph_passes.h"

namespace tessera::ops {

/// The loops of one instruction set, over rows or values [begin, end).
template <class T>
struct GraphKernels {
  void (*gather)(const Gather<T>&, int64_t begin, int64_t end);
  void (*softmax)(const RowSoftmax<T>&, int64_t begin, int64_t end);
  void (*softmax_backward)(const RowSoftmax<T>&, int64_t begin, int64_t end);
  void (*adam)(const SparsityAdam<T>&, int64_t begin, int64_t end);
};

namespace AVX512 {
template <class T>
GraphKernels<T> graph_kernels();
}  // namespace AVX512
namespace AVX2 {
template <class T>
GraphKernels<T> graph_kernels();
}  // namespace AVX2
namespace DEFAULT {
template <class T>
GraphKernels<T> graph_kernels();
}  // namespace DEFAULT

}  // namespace tessera::ops
