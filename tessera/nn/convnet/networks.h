#pragma once

#include <functional>
#include <string>

#include "tessera/core/registry.h"
#include "tessera/nn/convnet/network.h"

namespace tessera::nn {

/// A described network by name, at the size that its paper uses.
struct NamedNetwork {
  std::string name, summary;
  std::function<Network()> make;
};

/// All networks of this library: the VGGs and ResNets, MobileNet, the specialised CNNs of
/// FoldedCNNs under the names of their tasks, and small ones for tests.
const Registry<NamedNetwork>& networks();

/// One specialised CNN of FoldedCNNs: the shape of its task.
struct SpecialisedPreset {
  std::string name;  ///< "lol/goldnumber-fraction", "coral"
  bool is_game = true;
  int64_t image_height = 50, image_width = 50;
  int64_t num_classes = 2;
  int64_t num_units = 1;                                            ///< games
  int64_t dense_dim = 128, base_filters = 16, num_conv_layers = 2;  ///< NoScope
};
const Registry<SpecialisedPreset>& specialised_presets();

}  // namespace tessera::nn
