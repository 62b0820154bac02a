#pragma once

#include "tessera/systems/snn_calibration/calibrate.h"

namespace tessera::snn_calibration {

/// The plain twin of calibrate_bias and simulate: one step after another, and both whole networks
/// again for every layer, as the authors do. The truth of tests and the yardstick of timings.
std::vector<Correction> calibrate_bias_layer_by_layer(SpikingNetwork& it, const at::Tensor& images);

/// T steps of the whole network, one after the other, with `threshold` neurons in plain operators.
/// returns the sum of the outputs; `spikes` receives Σ_t s_t of every neuron where it is given
at::Tensor simulate_step_by_step(const SpikingNetwork& it, const at::Tensor& x,
                                 TensorMap* spikes = nullptr);

}  // namespace tessera::snn_calibration
