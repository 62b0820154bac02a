#pragma once

#include <ATen/core/Tensor.h>

namespace tessera::ops {

/// Integrate-and-fire neurons with reset by subtraction, over all steps of time.
struct IfNeuronOptions {
  int64_t steps = 1;
  /// Steps over which half a threshold more is spread; 0 adds nothing.
  int64_t shift_steps = 0;
  bool is_constant = false;  ///< current is that of every step, (N, …)
  bool sums = false;         ///< spikes are summed over time, (N, …)
  bool keeps_membranes = false;
  bool marks = false;  ///< spikes are bools, a byte each: the threshold where true
};

/// What is added to the current of every step: the shortcut of a residual block.
struct IfNeuronResidual {
  at::Tensor values;  ///< of current's shape, in its dtype or bool; undefined: none
  at::Tensor scale;   ///< of bools, what true stands for: as threshold
};

struct IfNeuronResult {
  at::Tensor spikes;  ///< (T·N, …): 0 or the threshold, or bool; (N, …) where they are summed
  at::Tensor membranes;  ///< (T·N, …) after the reset; undefined unless kept
};

/// For t = 1 … T with v_0 = potential or 0:
///   v ← v + ((z_t + r_t) + V·0.5/shift_steps);   s_t = V where v ≥ V, else 0;   v ← v − s_t
/// current z: (T·N, …), time first; threshold V: one value, or one that broadcasts over the sizes
/// behind N ([1, C, 1, 1]); potential: [1, …], undefined for 0; r: residual, 0 where there is none.
/// The result has the memory format of current. Float and double on the CPU are fused: the membrane
/// stays in registers; on CUDA likewise, without a residual and marks. Not differentiable. Throws
/// InvalidArgument on shapes, dtypes or devices that do not fit.
IfNeuronResult if_neuron(const at::Tensor& current, const at::Tensor& threshold,
                         const at::Tensor& potential, const IfNeuronOptions& options,
                         const IfNeuronResidual& residual = {});

/// The same composed of ATen operators: fallback, truth and shape rule.
IfNeuronResult if_neuron_plain(const at::Tensor& current, const at::Tensor& threshold,
                               const at::Tensor& potential, const IfNeuronOptions& options,
                               const IfNeuronResidual& residual = {});

}  // namespace tessera::ops
