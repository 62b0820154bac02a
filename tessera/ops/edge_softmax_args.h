#pragma once

#include "tessera/ops/edge_softmax.h"

// Between the files of the operator `edge_softmax`; not for callers. Only the edges' num_given,
// row_ptr, row and order are read.

namespace tessera::ops {

at::Tensor edge_softmax_cpu(const at::Tensor& logits, const EdgeList& edges);
at::Tensor edge_softmax_backward_cpu(const at::Tensor& d_alpha, const at::Tensor& alpha,
                                     const EdgeList& edges);

/// The kernels of another device.
struct SoftmaxDevice {
  at::Tensor (*forward)(const at::Tensor& logits, const EdgeList& edges);
  at::Tensor (*backward)(const at::Tensor& d_alpha, const at::Tensor& alpha, const EdgeList& edges);
};
/// Null where the build has no CUDA kernels; cuda/graph_glue.cpp sets it.
const SoftmaxDevice*& softmax_cuda();

}  // namespace tessera::ops
