#pragma once

#include <ATen/core/Tensor.h>

namespace tessera::ops {

/// The oscillators of one UnICORNN layer. All neurons are independent.
struct UnicornnOscillators {
  at::Tensor w, c;   ///< (H)
  double dt, alpha;  ///< dt > 0, alpha ≥ 0
};

/// Undefined tensors are a zero state.
struct UnicornnState {
  at::Tensor y, z;  ///< (B, H)
};

struct UnicornnResult {
  at::Tensor y;         ///< (T, B, H), times the mask; (0, B, H) without a sequence
  UnicornnState state;  ///< after the last step, without the mask
};

/// Undamped controlled oscillators under a drive q (T, B, H), paper eq. 2: with s = dt·sigmoid(c),
///   z_t = z_{t-1} − s (tanh(w y_{t-1} + q_t) + α y_{t-1}),   y_t = y_{t-1} + s z_t.
/// mask: (B, H) factors of the returned y, the same at every step, or undefined. Without
/// `sequence` only the state is returned and no trajectory is written.
/// The backward rebuilds the states from the last one: T·B·H values (q) are kept, no trajectory.
/// Float and double are fused, other dtypes run plain. Differentiable, twice (the second derivative
/// runs plain); sums over the batch have a fixed order. Float tanh within 2 ulp. Throws
/// InvalidArgument on shape, dtype or device mismatch, an empty sequence or batch.
UnicornnResult unicornn_recurrence(const at::Tensor& q, const UnicornnOscillators& oscillators,
                                   const UnicornnState& start = {}, const at::Tensor& mask = {},
                                   bool sequence = true);

/// The same composed of ATen operators: fallback, truth and shape rule. Autograd keeps every
/// intermediate value of every step.
UnicornnResult unicornn_recurrence_plain(const at::Tensor& q,
                                         const UnicornnOscillators& oscillators,
                                         const UnicornnState& start = {},
                                         const at::Tensor& mask = {}, bool sequence = true);

/// dt·sigmoid(c), the effective step of each neuron.
at::Tensor unicornn_step(const UnicornnOscillators& oscillators);

}  // namespace tessera::ops
