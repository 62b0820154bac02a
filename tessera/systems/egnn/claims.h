#pragma once

#include <vector>

#include "tessera/systems/claim.h"

namespace tessera::egnn {

std::vector<Claim> claims();

// The parts of claims(), by experiment.
std::vector<Claim> nbody_claims();
std::vector<Claim> autoencoder_claims();

}  // namespace tessera::egnn
