#pragma once

#include <vector>

#include "tessera/systems/task.h"

namespace tessera::egnn {

std::vector<TaskFactory> tasks();

}  // namespace tessera::egnn
