#pragma once

#include <string>
#include <vector>

#include "tessera/core/tensor_map.h"
#include "tessera/nn/convnet/network.h"

// Several trained models of one architecture as the start of another.

namespace tessera::zoo_tuning {

/// The tensors of a Zoo-Tuned network that come from its sources (section 4; the authors'
/// build_model): kernels and biases of aggregated layers are stacked in the order of the zoo, scale
/// and shift of batch norm averaged, its statistics 0 and 1. Gates and alignments are not among
/// them. What a source has beyond the network (its classifier, another's wrapper) is left out.
/// Throws InvalidArgument, naming the source and the tensor, where one is missing, has another
/// shape or holds a NaN.
TensorMap weights_from_zoo(const nn::Network& features, const std::vector<TensorMap>& sources);

/// The mean of the sources' weights, statistics too: gates of 1/E without alignment ("soup").
/// Throws as weights_from_zoo.
TensorMap average_weights(const nn::Network& features, const std::vector<TensorMap>& sources);

/// A source's own weights of the network, checked as in weights_from_zoo.
TensorMap weights_of_source(const nn::Network& features, const std::vector<TensorMap>& sources,
                            size_t index);

/// The first of the files that is not there, or "".
std::string first_missing(const std::vector<std::string>& paths);

/// The files of a zoo, in order. Throws Io, BadFile.
std::vector<TensorMap> read_sources(const std::vector<std::string>& paths);

}  // namespace tessera::zoo_tuning
