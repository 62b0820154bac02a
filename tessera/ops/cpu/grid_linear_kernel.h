#pragma once

// What the callers (grid_linear.cpp, grid_player.cpp) and the kernels (grid_linear_kernel.cpp)
// share: no torch.

#include <cstdint>

namespace tessera::ops {

/// Samples that share what is read of a node.
inline constexpr int64_t kGridRows = 4;

/// One node that some samples of a block blend, with a weight each; 0 where one does not.
template <class T>
struct GridBlockEntry {
  int64_t node;
  T weight[kGridRows];
};

/// At most kGridRows samples and the union of their nodes.
struct GridBlock {
  int64_t rows[kGridRows];  ///< the samples; unused places repeat the first
  int64_t num_rows;
  int64_t begin, end;  ///< its entries
};

/// One sample of a node's list.
template <class T>
struct GridUse {
  int64_t row;
  int64_t place;  ///< in (B, S): where the gradient by this weight goes
  T weight;
};

template <class T>
struct GridLinearProblem {
  int64_t rows, in, out, nodes;
  const T *x, *weight;
  const T* bias;  ///< null: none
};

/// Samples of each node: uses[begin[node] … begin[node + 1]).
template <class T>
struct GridUses {
  const int64_t* begin;
  const GridUse<T>* uses;
};

/// The loops of one instruction set.
template <class T>
struct GridLinearKernels {
  /// y, outputs [begin, end) of every block's samples.
  void (*forward)(const GridLinearProblem<T>&, const GridBlock* blocks, int64_t num_blocks,
                  const GridBlockEntry<T>* entries, int64_t begin, int64_t end, T* y);
  /// The same, node by node: y is zeroed first.
  void (*forward_by_node)(const GridLinearProblem<T>&, const GridUses<T>&, int64_t begin,
                          int64_t end, T* y);
  /// The same for one sample: streams each node's rows once, in chunks.
  void (*forward_one)(const GridLinearProblem<T>&, const T* x, int64_t active, const int64_t* index,
                      const T* weight, int64_t begin, int64_t end, T* y);
  /// d_x, columns [begin, end) of all samples (zeroed first), and d_node (B·S, added to; null: not
  /// wanted) of those columns.
  void (*backward_x)(const GridLinearProblem<T>&, const GridUses<T>&, const T* d_y, int64_t begin,
                     int64_t end, T* d_x, T* d_node);
  /// d_weight (null: not wanted) and d_bias (the same) of outputs [begin, end) of all nodes.
  /// scratch: at least `most` uses of a node × (end − begin).
  void (*backward_weight)(const GridLinearProblem<T>&, const GridUses<T>&, const T* d_y,
                          int64_t begin, int64_t end, T* d_weight, T* d_bias, T* scratch);
  /// to = Σ_s weight_s · from[index_s], each of `count` values at index·stride.
  void (*blend)(int64_t active, const int64_t* index, const T* weight, const T* from,
                int64_t stride, int64_t count, T* to);
  /// y = W x + bias of one sample.
  void (*affine)(int64_t in, int64_t out, const T* weight, const T* bias, const T* x, T* y);
  /// ELU with α = 1, in place.
  void (*elu)(int64_t count, T* values);
};

namespace AVX512 {
template <class T>
GridLinearKernels<T> grid_linear_kernels();
}  // namespace AVX512
namespace AVX2 {
template <class T>
GridLinearKernels<T> grid_linear_kernels();
}  // namespace AVX2
namespace DEFAULT {
template <class T>
GridLinearKernels<T> grid_linear_kernels();
}  // namespace DEFAULT

/// Those of this machine.
template <class T>
const GridLinearKernels<T>& grid_linear_kernels();

}  // namespace tessera::ops
