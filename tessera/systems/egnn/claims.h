#pragma once

#include <vector>

#include "tessera/systems/claim.h"

namespace tessera::egnn {

std::vector<Claim> claims();

}  // namespace tessera::egnn
