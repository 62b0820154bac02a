#pragma once

#include <string_view>
#include <vector>

#include "tessera/core/tensor_map.h"
#include "tessera/nn/convnet/network.h"

// Names of state dicts from elsewhere. Layers carry the names of the authors' modules and of
// torchvision, so that only wrappers have to be taken off.

namespace tessera::nn {

/// Without num_batches_tracked, which counts batches and takes no part in any result.
TensorMap without_counters(const TensorMap& weights);

/// Names that start with `prefix` without it; the others as they are.
TensorMap without_prefix(const TensorMap& weights, std::string_view prefix);

/// The weights of `network` in a state dict of a model that may be wrapped: under their own names,
/// or below the prefix that stands in front of the first layer's weight ("module.", "model.",
/// "backbone.body.", "module.encoder_q."). Entries that the network does not have are left out (a
/// second copy of the head, say). Throws InvalidArgument as check_weights does.
TensorMap import_weights(const Network& network, const TensorMap& theirs);

/// The network's own entries under `prefix` + name, in the order of its layers: a state dict for
/// torchvision's and the authors' loaders.
TensorMap export_weights(const Network& network, const TensorMap& weights,
                         std::string_view prefix = "");

}  // namespace tessera::nn
