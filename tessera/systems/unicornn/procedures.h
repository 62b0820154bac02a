#pragma once

#include <vector>

#include "tessera/systems/system.h"

namespace tessera::unicornn {

/// reconstruct, psmnist_permutation, noise_padded_cifar.
std::vector<Procedure> procedures();

}  // namespace tessera::unicornn
