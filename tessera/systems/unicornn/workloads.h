#pragma once

#include <vector>

#include "tessera/systems/workload.h"

namespace tessera::unicornn {

/// psmnist, noisy_cifar, eigenworms: the shapes of the paper's experiments.
std::vector<Workload> workloads();

}  // namespace tessera::unicornn
