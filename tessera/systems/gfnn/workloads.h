#pragma once

#include <vector>

#include "tessera/systems/workload.h"

namespace tessera::gfnn {

/// surface, animation, runtime.
std::vector<Workload> workloads();

}  // namespace tessera::gfnn
