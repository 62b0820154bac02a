#pragma once

#include "tessera/systems/system.h"

namespace tessera::zoo_tuning {

System system();

}  // namespace tessera::zoo_tuning
