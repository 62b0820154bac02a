#pragma once

// What the CUDA kernels (graph.cu) and their caller (graph_glue.cpp) share: no torch, so that nvcc
// alone can compile the kernels anywhere.

#include <cuda_runtime_api.h>

#include "tessera/ops/graph_passes.h"

namespace tessera::ops::cuda {

template <class T>
cudaError_t gather(const Gather<T>& g, int64_t rows, cudaStream_t stream);
template <class T>
cudaError_t softmax(const RowSoftmax<T>& s, int64_t rows, cudaStream_t stream);
template <class T>
cudaError_t softmax_backward(const RowSoftmax<T>& s, int64_t rows, cudaStream_t stream);
template <class T>
cudaError_t adam(const SparsityAdam<T>& a, cudaStream_t stream);

}  // namespace tessera::ops::cuda
