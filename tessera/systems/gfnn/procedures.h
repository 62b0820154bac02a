#pragma once

#include <vector>

#include "tessera/systems/system.h"

namespace tessera::gfnn {

/// axis_weights, gait, surfaces.
std::vector<Procedure> procedures();

}  // namespace tessera::gfnn
