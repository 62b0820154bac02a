#pragma once

#include <vector>

#include "tessera/ops/unicornn_recurrence.h"

namespace tessera::ops {

/// How the backward of a stack gets the states of all layers.
enum class UnicornnBackwardMode {
  kReconstruct,     ///< rebuilt in time from the last states; drives of the layers above are kept
  kStore,           ///< autograd keeps every intermediate value of the plain composition
  kFullReversible,  ///< rebuilt with all layers together, block by block: nothing grows with T
};

/// What the drive of layer l ≥ skip + 1 (from 0) gets of the output of layer l − skip − 1.
enum class UnicornnResidual { kNone, kLearned, kIdentity };

struct UnicornnStackLayer {
  at::Tensor v, b;      ///< (H, D), (H): the input map
  at::Tensor w, c;      ///< (H)
  at::Tensor residual;  ///< (H, H); undefined where there is none
  double dt;
};

struct UnicornnStackOptions {
  double alpha = 0;
  UnicornnResidual residual = UnicornnResidual::kNone;
  int64_t skip = 1;
  UnicornnBackwardMode backward = UnicornnBackwardMode::kReconstruct;
  bool sequence = false;
};

struct UnicornnStackResult {
  at::Tensor y;         ///< (T, B, H), the last layer's output times its mask; (0, B, H) without
  at::Tensor y_n, z_n;  ///< (L, B, H), states after the last step, without masks
};

/// UnICORNN's layers (paper, eqs. 2 and 8): q_l = y_{l-1} V_lᵀ + b_l (+ a residual), y_l the
/// recurrence under q_l times mask_l. x: (T, B, D); masks: (L, B, H) or undefined; start: (L, B,
/// H).
///
/// On a CPU, in float and double, all layers march through time together in blocks of steps, so
/// that a block stays in the cache between a layer's product and its recurrence, and gradients
/// march back the same way. Kept for the backward: the last states, x, and with kReconstruct
/// 4·T·B·H·(L−1) bytes of drives in float. Elsewhere layer by layer. A second derivative runs
/// plain. Deterministic at a fixed number of threads.
/// Throws InvalidArgument on shape, dtype or device mismatch.
UnicornnStackResult unicornn_stack(const at::Tensor& x,
                                   const std::vector<UnicornnStackLayer>& layers,
                                   const at::Tensor& masks, const UnicornnState& start,
                                   const UnicornnStackOptions& options);

/// The same layer by layer from affine maps and either recurrence.
UnicornnStackResult unicornn_stack_plain(const at::Tensor& x,
                                         const std::vector<UnicornnStackLayer>& layers,
                                         const at::Tensor& masks, const UnicornnState& start,
                                         const UnicornnStackOptions& options);

}  // namespace tessera::ops
