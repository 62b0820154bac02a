#pragma once

#include <ATen/core/Tensor.h>

#include "tessera/ops/activation.h"

namespace tessera::ops {

/// Two linear maps as the authors store them ([out, in]). b2 may be undefined.
struct PerceptronWeights {
  at::Tensor w1, b1;  ///< [d, k_x + k_y + k_z], [d]
  at::Tensor w2, b2;  ///< [d_out, d], [d_out]
};

/// The columns that a perceptron reads side by side: [x, y, z], without concatenating them.
/// y and z may be undefined. Each (N, k).
struct PerceptronInput {
  at::Tensor x, y = {}, z = {};
};

/// Two-layer perceptron, forward and backward fused (EGNN's φ_h, φ_v and decoders):
///   W2 act(W1 [x, y, z] + b1) + b2,   plus x where `residual` is set (needs k_x = d_out).
/// Float and double are fused, other dtypes run plain. Differentiable, twice (the second derivative
/// runs plain). Throws InvalidArgument on shape, dtype or device mismatch.
/// returns (N, d_out). Cost 2·N·d·(k + d_out); with gradients N×d values are kept.
at::Tensor perceptron(const PerceptronInput& input, const PerceptronWeights& weights,
                      Activation activation, bool residual = false);

/// The same composed of ATen operators: fallback, truth and shape rule.
at::Tensor perceptron_plain(const PerceptronInput& input, const PerceptronWeights& weights,
                            Activation activation, bool residual = false);

}  // namespace tessera::ops
