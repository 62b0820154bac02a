#pragma once

#include <vector>

#include "tessera/systems/claim.h"

namespace tessera::folded_cnn {

std::vector<Claim> claims();

}  // namespace tessera::folded_cnn
