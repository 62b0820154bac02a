#pragma once

#include <vector>

#include "tessera/systems/workload.h"

namespace tessera::skeleton {

/// What `bench` times.
std::vector<Workload> workloads();

}  // namespace tessera::skeleton
