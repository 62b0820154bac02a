#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tessera/core/config.h"
#include "tessera/nn/convnet/network.h"

namespace tessera::folded_cnn {

/// Every network of the paper, folded or not, in one flat configuration: a key that an architecture
/// does not use is accepted and ignored. A preset gives the defaults of its task. From C++ start
/// from FoldedCnnConfig::of({{"preset", "coral"}, {"fold", 4}}).
struct FoldedCnnConfig : Config {
  std::string arch = "game_cnn";
  std::optional<std::string> preset;
  int64_t fold = 1;
  std::optional<double> width_multiplier;
  bool do_fold = false;
  int64_t in_channels = 3;
  int64_t num_classes = 11;
  int64_t image_height = 22;
  int64_t image_width = 52;
  int64_t first_channels = 32;
  int64_t unit_channels = 32;
  int64_t last_channels = 8;
  int64_t num_units = 1;
  int64_t convs_per_unit = 3;
  int64_t dense_dim = 128;
  int64_t base_filters = 16;
  int64_t num_conv_layers = 2;
  bool use_dropout = false;
  std::string pool = "max";
  bool size_for_cifar = true;
  int64_t compound_phi = 0;
  double width_mult = 1.1;
  double depth_mult = 1.2;
  double res_mult = 1.15;
  std::string loss = "cross_entropy";
  std::string remainder = "drop";
  double bytes_per_element = 2;

  /// The configuration with these keys; throws InvalidArgument as read_config does.
  static FoldedCnnConfig of(const Json& values);

  void fields(FieldList& list) override;
  void choose_defaults(const Json& given) override;
  void validate() const override;

  /// √fold where width_multiplier is not given.
  double multiplier() const;
};

/// What the authors' calculator divides a batch by: the fold, and phi + 1 of the compound-scaled
/// baseline, whose phi they pass as a fold although each input is one image (README).
int64_t images_per_input(const FoldedCnnConfig& config);

/// The network of a configuration before it is folded: the original, or the compound-scaled one.
nn::Network original_network(const FoldedCnnConfig& config);
/// The network that the configuration describes.
nn::Network network(const FoldedCnnConfig& config);

}  // namespace tessera::folded_cnn
