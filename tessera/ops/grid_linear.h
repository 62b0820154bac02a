#pragma once

#include <ATen/core/Tensor.h>

#include "tessera/ops/grid_weights.h"

namespace tessera::ops {

/// A linear map whose parameters each sample blends of several nodes' (grid-functioned networks;
/// also mixtures of experts, with every expert as a node):
///   y_b = Σ_s n_bs (W[j_bs] x_b + c[j_bs])
/// x: (B, in). weight: (K, out, in). bias: (K, out) or undefined. n.index: (B, S), each below K;
/// n.weight: (B, S) of x's dtype.   returns (B, out)
/// Differentiable in everything but the index, twice (the second derivative runs plain). Float and
/// double are fused on the CPU, others run plain.
/// Throws InvalidArgument on shape, dtype, device or an index outside of [0, K).
/// Cost 2·B·S·out·in, whatever K; one sample streams its S nodes once, a batch of 64 inputs or more
/// reads each node that it uses once, one of fewer once for four samples. Repeats bit for bit at a
/// fixed thread count: each sum has one writer.
at::Tensor grid_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                       const NodeWeights& n);

/// The same composed of ATen operators over all K nodes: fallback, truth and shape rule.
at::Tensor grid_linear_plain(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                             const NodeWeights& n);

}  // namespace tessera::ops
