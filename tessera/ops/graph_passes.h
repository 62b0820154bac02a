#pragma once

// What the kernels of the graph operators (cpu/graph_kernel.cpp, cuda/graph.cu) are told: no torch.

#include <cstdint>

namespace tessera::ops {

/// A sparse matrix in compressed rows times dense rows, with the products that its own gradient
/// needs in the same pass: row i has the entries k = ptr[i] … ptr[i+1]-1, and
///   out[i] = scale[i] · (self_scale[i] · self[i] + Σ_k coefficient[k] · from[index[k]])
///   dot[k] = from[index[k]] · with[i],      self_dot[i] = self[i] · with[i]
/// All dense arrays have rows of `width` values without gaps.
template <class T>
struct Gather {
  int64_t width;
  const int64_t *ptr, *index;
  const T* coefficient;
  const T* from;
  const T* scale = nullptr;  ///< null: one
  const T* self_scale = nullptr;
  const T* self = nullptr;  ///< null: no such term
  T* out = nullptr;         ///< null: not wanted; coefficient is then not read
  const T* with = nullptr;
  T* dot = nullptr;       ///< null: not wanted
  T* self_dot = nullptr;  ///< null: not wanted
};

/// Softmax over the entries of a row, for each of `heads` columns; values lie where `place` says.
template <class T>
struct RowSoftmax {
  int64_t heads;
  const int64_t *ptr, *place;
  const T* value;  ///< logits; of the backward the softmax
  const T* d;      ///< of the backward: the gradient by the softmax
  T* out;          ///< softmax; of the backward the gradient by the logits
};

/// One tensor's share of an update, `count` values (ops/sparsity_adam.h).
template <class T>
struct SparsityAdam {
  int64_t count;
  T *weight, *mask;  ///< weight null: one, and not trained
  const T* fixed;    ///< null: one
  const T* d_effective;
  T *weight_avg, *weight_square, *mask_avg, *mask_square;
  T* effective;
  T beta2, one_minus_beta1, one_minus_beta2;  ///< each rounded by itself: 1 − 0.999f is not 0.001f
  T step, root_correction, eps, weight_decay, l1;
};

}  // namespace tessera::ops
