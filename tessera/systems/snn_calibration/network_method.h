#pragma once

#include "tessera/systems/network_method.h"

namespace tessera::snn_calibration {

/// "spikes": conversion to integrate-and-fire neurons, thresholds, calibration. Settings are keys
/// of SnnConfig: time_steps, threshold_mode, calib, … Weights are not calibrated here. In the
/// form's checkpoint: threshold/<layer>, potential/<layer>.
NetworkMethod network_method();

}  // namespace tessera::snn_calibration
