#pragma once

#include <vector>

#include "tessera/systems/system.h"

namespace tessera::snn_calibration {

/// vgg16_t16, resnet20_t8: spiking inference, and one iteration of weight calibration.
/// mmse_search: a layer-wise and a channel-wise threshold search.
std::vector<Workload> workloads();

}  // namespace tessera::snn_calibration
