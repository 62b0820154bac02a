#pragma once

#include <vector>

#include "tessera/systems/system.h"

namespace tessera::snn_calibration {

/// classification: images of a data set, as the source network sees them.
std::vector<TaskFactory> tasks();

/// `count` batches of `size` training images drawn without replacement, for calibration.
std::vector<at::Tensor> calibration_batches(const Task& task, int64_t count, int64_t size,
                                            uint64_t seed);

}  // namespace tessera::snn_calibration
