#pragma once

#include <ATen/core/Tensor.h>

#include "tessera/ops/edge_list.h"

namespace tessera::ops {

/// Attention weights of a graph attention layer: the softmax over each receiver's edges,
///   α_e = exp(l_e − max) / Σ_{e' enters the receiver of e} exp(l_e' − max), for every head.
/// logits: (E') or (E', heads) in the order of the edge index that `edges` was made from; α has
/// the same shape. Edges that the list has dropped take no part and get 0.
/// Float and double are fused, other dtypes run plain. Differentiable, twice (the second derivative
/// runs plain). Equal bits at every number of threads.
/// Throws InvalidArgument on shape or device mismatch.
at::Tensor edge_softmax(const at::Tensor& logits, const EdgeList& edges);

/// The same composed of ATen operators: fallback, truth and shape rule.
at::Tensor edge_softmax_plain(const at::Tensor& logits, const EdgeList& edges);

}  // namespace tessera::ops
