#pragma once

#include <vector>

#include "tessera/systems/claim.h"

namespace tessera::gfnn {

/// What `reproduce` shows of this system.
std::vector<Claim> claims();

}  // namespace tessera::gfnn
