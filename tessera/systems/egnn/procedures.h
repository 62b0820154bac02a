#pragma once

#include <vector>

#include "tessera/systems/system.h"

namespace tessera::egnn {

std::vector<Procedure> procedures();

}  // namespace tessera::egnn
