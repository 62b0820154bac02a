#pragma once

#include <vector>

#include "tessera/systems/system.h"

namespace tessera::snn_calibration {

std::vector<Claim> claims();

}  // namespace tessera::snn_calibration
