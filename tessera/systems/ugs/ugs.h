#pragma once

#include "tessera/systems/system.h"

namespace tessera::ugs {

/// The registry entry: models, tasks, procedures, claims and workloads of this folder.
System system();

}  // namespace tessera::ugs
