#pragma once

#include <cstdint>
#include <vector>

#include "tessera/core/config.h"
#include "tessera/systems/task.h"

namespace tessera::skeleton {

/// A generated data set.
struct FirstConfig final : Config {
  int64_t train_size = 512, valid_size = 128, test_size = 256;
  int64_t seed = 0;

  void fields(FieldList& list) override;
};

/// first: x (B, 3) uniform in [-1, 1]³, and target (B, 1) = sin(2·Σx) → "y" (B, 1). Metrics: loss
/// (mean squared error).
std::vector<TaskFactory> tasks();

}  // namespace tessera::skeleton
