#pragma once

#include <vector>

#include "tessera/systems/claim.h"

namespace tessera::skeleton {

/// What `reproduce` shows.
std::vector<Claim> claims();

}  // namespace tessera::skeleton
