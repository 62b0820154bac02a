#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/nn/convnet/network.h"

namespace tessera::nn {

/// What one conv or linear layer does and moves for ONE input of the network (f images where it is
/// folded). Pools, activations and batch norm are not counted, as in the FoldedCNN calculators.
struct LayerCost {
  size_t layer = 0;  ///< index into Network::layers
  int64_t ops = 0;   ///< two per multiply-add, and one per output where there is a bias
  int64_t input_elements = 0, output_elements = 0;
  int64_t weight_elements = 0;  ///< without the bias
};

struct NetworkCost {
  std::vector<LayerCost> layers;
  int64_t parameters = 0;  ///< all of them: weights, biases, batch norm's affine
  int64_t ops = 0;         ///< Σ of the layers
  /// The second counter, of the utilisation figures: 2·(Σ out·(k·k·in/groups + 1) over convolutions
  /// + Σ in·out over linear layers). The 1 is counted for every convolution, with a bias or
  /// without.
  int64_t flops = 0;
  int64_t linear_flops = 0;  ///< the linear layers' part of it
};

NetworkCost cost(const Network& network);

/// FLOP per byte of a batch of `images` images, fractions of an input included:
///   (B/f)·Σ ops / (bytes · (Σ weights + (B/f)·Σ (in + out)))
double arithmetic_intensity(const Network& network, double images, double bytes_per_element);
double arithmetic_intensity(const NetworkCost& cost, double inputs, double bytes_per_element);

/// Bytes of weights and of activations that a batch of `inputs` inputs moves: the denominator.
double moved_bytes(const NetworkCost& cost, double inputs, double bytes_per_element);

}  // namespace tessera::nn
