#pragma once

#include <ATen/core/Tensor.h>

#include "tessera/ops/edge_list.h"

namespace tessera::ops {

/// Graph convolution with masked edges (unified GNN sparsification):
///   deg_r = 1 + Σ_{e leaves r} m_e       s = deg^(-1/2), 0 where deg is 0
///   out_c = s_c² h_c + Σ_{e enters c} s_{r_e} s_c m_e h_{r_e}
/// h: (N, H). mask: (E') or (E', 1) in the order of the edge index that `edges` was made from; the
/// receivers of that index are the c, its senders the r (so that of [sources; destinations] is to
/// be turned round). A self-loop is an edge like another beside the identity. Edges that the list
/// has dropped count as masked with 0, and their mask has no gradient.
/// Coefficients are made on the fly from masks and degrees: nothing of size E·H is written, and the
/// gradients by h and by the mask (through s too) come from one pass over the edges of each sender.
/// Float and double are fused, other dtypes run plain. Differentiable, twice (the second derivative
/// runs plain). One writer for each row: equal bits at every number of threads.
/// Throws InvalidArgument: shape, dtype or device; on the CPU a negative degree, naming the node.
/// Cost 2·(E + N)·H forward, twice that backward; keeps N values.
at::Tensor masked_propagate(const at::Tensor& h, const at::Tensor& mask, const EdgeList& edges);

/// The same composed of ATen operators: fallback, truth and shape rule.
at::Tensor masked_propagate_plain(const at::Tensor& h, const at::Tensor& mask,
                                  const EdgeList& edges);

}  // namespace tessera::ops
