#pragma once

#include <vector>

#include "tessera/systems/task.h"

namespace tessera::lmu {

/// psmnist, noise_padded (tessera/systems/sequence_tasks.h), mackey_glass.
std::vector<TaskFactory> tasks();

}  // namespace tessera::lmu
