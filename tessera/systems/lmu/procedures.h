#pragma once

#include <vector>

#include "tessera/systems/system.h"

namespace tessera::lmu {

/// state_space, mackey_glass, legendre_decode.
std::vector<Procedure> procedures();

}  // namespace tessera::lmu
