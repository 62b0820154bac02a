#pragma once

#include "tessera/systems/system.h"

namespace tessera::gfnn {

/// The registry entry: models, procedures and workloads of this folder.
System system();

}  // namespace tessera::gfnn
