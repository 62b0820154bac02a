#pragma once

#include <vector>

#include "tessera/systems/task.h"

namespace tessera::lmu {

/// psmnist, noise_padded, imdb, text8 (tessera/systems/sequence_tasks.h), capacity, mackey_glass.
std::vector<TaskFactory> tasks();

}  // namespace tessera::lmu
