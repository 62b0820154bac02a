#pragma once

#include <vector>

#include "tessera/systems/system.h"

namespace tessera::zoo_tuning {

/// build_zoo_model.
std::vector<Procedure> procedures();

}  // namespace tessera::zoo_tuning
