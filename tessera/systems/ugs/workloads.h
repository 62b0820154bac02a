#pragma once

#include <vector>

#include "tessera/systems/workload.h"

namespace tessera::ugs {

/// One UGS step and one evaluation forward on random graphs of the data sets' sizes.
std::vector<Workload> workloads();

}  // namespace tessera::ugs
