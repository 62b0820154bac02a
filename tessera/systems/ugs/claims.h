#pragma once

#include <vector>

#include "tessera/systems/claim.h"

namespace tessera::ugs {

std::vector<Claim> claims();

}  // namespace tessera::ugs
