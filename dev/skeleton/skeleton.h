#pragma once

#include "tessera/systems/system.h"

namespace tessera::skeleton {

/// The registry entry: all that this folder gives to the library.
System system();

}  // namespace tessera::skeleton
