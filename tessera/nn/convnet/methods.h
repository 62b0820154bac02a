#pragma once

#include "tessera/nn/convnet/evaluate.h"
#include "tessera/nn/convnet/network.h"

// Methods of general use: network → network, and weights → weights. They compose.

namespace tessera::nn {

/// A network with its weights.
struct WeightedNetwork {
  Network network;
  TensorMap weights;
};

/// Weight and bias of a conv or linear layer with the batch norm behind it:
///   W' = W·γ/σ,  b' = β + (b − m)·γ/σ,  σ = √(v + eps)
/// In double, then in the dtype of the layer.
LayerTensors with_norm(const LayerTensors& layer, const LayerTensors& norm, double eps);

/// Batch norm after a conv or linear layer that nobody else reads becomes part of that layer
/// (with_norm). The layer gets a bias and the norm is removed. Other norms stay. Weights of other
/// names are kept.
WeightedNetwork fold_batch_norm(const WeightedNetwork& it);

/// The network with every maximum pool replaced by an average pool of the same window. Weights
/// stay.
Network with_average_pools(Network network);

/// The network without dropout, which does nothing in evaluation. Weights stay.
Network without_dropout(Network network);

/// The network without its classifier: what was its input becomes the output. Throws
/// InvalidArgument where the output does not come from a classifier alone.
Network without_classifier(Network network);

}  // namespace tessera::nn
