#include "tessera/systems/egnn/claims.h"

#include <iterator>

namespace tessera::egnn {

std::vector<Claim> claims() {
  std::vector<Claim> all = nbody_claims();
  for (Claim& claim : autoencoder_claims()) all.push_back(std::move(claim));
  return all;
}

}  // namespace tessera::egnn
