#pragma once

#include <vector>

#include "tessera/systems/system.h"

namespace tessera::folded_cnn {

/// game_f{1..4}, taipei_f{1..4}, resnet18_f{1..4}: the same number of images at every fold.
std::vector<Workload> workloads();

/// A model, and images for one forward pass and one training step.
struct WorkloadShape {
  std::string name;  ///< "game"
  Json config;       ///< without the fold
  int64_t forward_images, train_images;
};
const std::vector<WorkloadShape>& workload_shapes();

}  // namespace tessera::folded_cnn
