#pragma once

#include <vector>

#include "tessera/systems/system.h"

namespace tessera::zoo_tuning {

std::vector<Claim> claims();

}  // namespace tessera::zoo_tuning
