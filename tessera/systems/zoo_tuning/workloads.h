#pragma once

#include <vector>

#include "tessera/systems/system.h"

namespace tessera::zoo_tuning {

/// layer3x3, bottleneck and resnet50_56, full and lite, and at batch 1.
std::vector<Workload> workloads();

}  // namespace tessera::zoo_tuning
