#pragma once

#include <vector>

#include "tessera/systems/workload.h"

namespace tessera::lmu {

/// psmnist_parallel, sequence_parallel, psmnist_original.
std::vector<Workload> workloads();

}  // namespace tessera::lmu
