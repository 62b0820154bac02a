#pragma once

#include <vector>

#include "tessera/systems/workload.h"

namespace tessera::egnn {

std::vector<Workload> workloads();

}  // namespace tessera::egnn
