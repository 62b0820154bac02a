#pragma once

#include <vector>

#include "tessera/systems/task.h"

namespace tessera::zoo_tuning {

/// transfer: classes of a data set, changed or turned, with few labels where asked: sources and
/// targets of a zoo. Batches have x (B, C, H, W) in [-1, 1] and labels (B) int64.
/// pictures: a data set of one's own (picture_task.h).
std::vector<TaskFactory> tasks();

}  // namespace tessera::zoo_tuning
