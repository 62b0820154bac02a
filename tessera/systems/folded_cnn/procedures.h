#pragma once

#include <vector>

#include "tessera/systems/system.h"

namespace tessera::folded_cnn {

/// fold_unfold, arithmetic_intensity, curriculum, block_diagonal.
std::vector<Procedure> procedures();

}  // namespace tessera::folded_cnn
