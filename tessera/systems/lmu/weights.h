#pragma once

#include "tessera/core/tensor_map.h"
#include "tessera/systems/lmu/config.h"

namespace tessera::lmu {

/// Weights under the names of their source → ours: the torch port's (layout native), Keras's
/// (variant general) and those of the 2019 files (layout keras2019), one layer or several. Buffers
/// that follow from the configuration (A, B, H, fft_H, A_T, B_T, impulse_response) are left out.
TensorMap from_authors(const TensorMap& theirs, const LmuConfig& config);
/// The way back, of weights or of gradients.
TensorMap to_authors(const TensorMap& ours, const LmuConfig& config);

}  // namespace tessera::lmu
