#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tessera/core/config.h"
#include "tessera/nn/convnet/network.h"
#include "tessera/systems/told_by_tensors.h"

namespace tessera::snn_calibration {

/// Reconstruction of the weights of each layer (section 3.3 of the paper).
struct WeightCalibration {
  double lr = 1e-5;
  int64_t iters = 5000;
  int64_t batch_size = 32;
  int64_t num_samples = 1024;
};

/// The source network, and how it becomes a spiking one. A key that an architecture does not use is
/// accepted and ignored.
struct SnnConfig : Config, ToldByTensors {
  std::string arch = "vgg";
  int64_t in_channels = 3;
  Json image_size = 32;
  int64_t num_classes = 10;
  Json conv_plan = {64,  64,  "M", 128, 128, "M", 256, 256, 256,
                    "M", 512, 512, 512, "M", 512, 512, 512, "M"};
  Json stem_width = 64;
  std::vector<int64_t> stage_widths{64, 128, 256};
  std::vector<int64_t> stage_blocks{3, 3, 3};
  std::string block = "basic";
  int64_t expansion = 1;
  Json dw_plan = {{64, 1},  {128, 2}, {128, 1}, {256, 2}, {256, 1},  {512, 2}, {512, 1},
                  {512, 1}, {512, 1}, {512, 1}, {512, 1}, {1024, 2}, {1024, 1}};
  int64_t fc_hidden = 4096;
  bool use_batch_norm = true;

  int64_t time_steps = 32;
  bool shift = true;
  std::string threshold_mode = "mse";
  std::optional<double> percentile;
  bool channel_wise = false;
  std::optional<double> threshold_momentum = 0.9;
  int64_t threshold_iters = 5;
  std::string calib = "light";
  Json weight_calib = Json::object();
  double e_mac_pj = 4.6;
  double e_ac_pj = 0.9;

  /// The configuration with these keys; throws InvalidArgument as read_config does.
  static SnnConfig of(const Json& values);

  void fields(FieldList& list) override;
  void choose_defaults(const Json& given) override;
  void validate() const override;
  /// image_size by the images `x`, `x_0` or `calib`; MobileNet's stem_width by its first kernel.
  Json told(const Json& given, const TensorMap& inputs, const TensorMap& weights) const override;

  /// weight_calib with its defaults. Throws InvalidArgument on unknown keys and bad values.
  WeightCalibration weight_calibration() const;
};

/// The network of a configuration, with batch norm and dropout, under the authors' names.
nn::Network network(const SnnConfig& config);

}  // namespace tessera::snn_calibration
