#pragma once

#include "tessera/core/tensor_map.h"

namespace tessera::skeleton {

/// The authors' names ("0.weight", "2.bias": positions in a Sequential) ↔ ours ("hidden.weight",
/// "out.bias"), of weights or of gradients. Other names stay.
TensorMap from_authors(const TensorMap& theirs);
TensorMap to_authors(const TensorMap& ours);

}  // namespace tessera::skeleton
