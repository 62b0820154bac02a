#pragma once

#include "tessera/core/tensor_map.h"
#include "tessera/nn/convnet/network.h"

namespace tessera::folded_cnn {

/// Weights of the network folded by f at width multiplier f that is f copies of the original side
/// by side: block j of the diagonal is the original's weight, everything else 0, biases and batch
/// norms repeated. Its logits are the original's for every image: the test that groups, columns and
/// flattened features lie in the same order everywhere.
TensorMap block_diagonal_weights(const nn::Network& original, const TensorMap& weights,
                                 int64_t fold);

}  // namespace tessera::folded_cnn
