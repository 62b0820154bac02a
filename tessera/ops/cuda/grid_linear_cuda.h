#pragma once

// What the CUDA kernels (grid_linear.cu) and their caller (grid_linear_glue.cpp) share: no torch,
// so that nvcc alone can compile the kernels anywhere.

#include <cuda_runtime_api.h>

#include <cstdint>

namespace tessera::ops::cuda {

/// As the arguments of ops::grid_linear, row-major. A node outside of [0, nodes) is not read: what
/// it would have entered is NaN.
template <class T>
struct GridPass {
  int64_t rows, active, in, out, nodes;
  const T *x, *weight;
  const T* bias;         ///< null: none
  const int64_t* index;  ///< (rows, active)
  const T* n;            ///< (rows, active)
};

/// y (rows, out). order: the rows, those of one cell side by side, so that they share what is read.
template <class T>
cudaError_t grid_linear(const GridPass<T>& p, const int64_t* order, T* y, cudaStream_t stream);

/// d_x (rows, in) and d_n (rows, active); either may be null.
template <class T>
cudaError_t grid_linear_backward_x(const GridPass<T>& p, const T* d_y, T* d_x, T* d_n,
                                   cudaStream_t stream);

/// d_weight (nodes, out, in) and d_bias (nodes, out); either may be null. uses[begin[j] …
/// begin[j + 1]) are the places in (rows, active) that name node j.
template <class T>
cudaError_t grid_linear_backward_weight(const GridPass<T>& p, const int64_t* begin,
                                        const int64_t* uses, const T* d_y, T* d_weight, T* d_bias,
                                        cudaStream_t stream);

}  // namespace tessera::ops::cuda
