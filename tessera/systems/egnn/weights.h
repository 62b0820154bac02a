#pragma once

#include "tessera/core/tensor_map.h"

namespace tessera::egnn {

/// The authors' state dict under our names. They are the same but for the "module." that
/// DataParallel prepends, and `coords_range`, which their code sets and never reads.
TensorMap from_authors(const TensorMap& theirs);

}  // namespace tessera::egnn
