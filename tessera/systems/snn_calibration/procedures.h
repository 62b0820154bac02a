#pragma once

#include <vector>

#include "tessera/systems/system.h"

namespace tessera::snn_calibration {

/// fold_batch_norm, if_neuron, threshold_search, calibrate.
std::vector<Procedure> procedures();

}  // namespace tessera::snn_calibration
