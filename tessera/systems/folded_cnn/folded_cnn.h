#pragma once

#include "tessera/systems/system.h"

namespace tessera::folded_cnn {

/// The registry entry: models, tasks, procedures, claims and workloads of this folder.
System system();

}  // namespace tessera::folded_cnn
