#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tessera/core/config.h"
#include "tessera/nn/convnet/network.h"

namespace tessera::zoo_tuning {

/// One aggregated layer (`layer`), one block (`block`) or a whole network (`network`), and how it
/// learns from its sources (`method`). A key that the chosen form does not use is ignored.
struct ZooConfig : Config {
  std::optional<std::string> layer, block;
  std::string network = "resnet50";
  std::string method = "zoo";
  std::string pool = "max";

  int64_t num_sources = 5;
  bool align = true;
  bool align_all = false;
  bool lite = false;
  double lite_momentum = 0.1;
  bool downsample_lite = false;

  int64_t in_channels = 3;
  std::optional<int64_t> num_classes;
  std::optional<int64_t> image_size;
  std::string norm = "batch";
  double norm_eps = 1e-5;
  double norm_momentum = 0.1;

  int64_t out_channels = 64;
  int64_t kernel_size = 3;
  int64_t stride = 1;
  int64_t padding = 0;
  int64_t dilation = 1;
  int64_t groups = 1;
  bool bias = false;

  int64_t width = 64;
  int64_t expansion = 4;
  bool downsample = true;
  int64_t channels = 4;
  std::vector<int64_t> widths;

  std::vector<std::string> sources;
  int64_t source = 0;
  std::optional<std::string> teacher;
  double temperature = 2;
  double distillation = 1;

  bool training = true;

  static ZooConfig of(const Json& values);

  void fields(FieldList& list) override;
  void choose_defaults(const Json& given) override;
  void validate() const override;
};

/// The plain network that the sources share, with a classifier where num_classes is given.
nn::Network plain_network(const ZooConfig& config);

/// What is transferred: the plain network without its classifier, with the configuration's norm.
nn::Network feature_network(const ZooConfig& config);

/// Whether a convolution's sources are aligned: with `align`, kernels above 1×1, and of an ImageNet
/// ResNet only the stem's and those of stages 3 and 4, as the authors build it (README, difference
/// 1); with `align_all` every one.
bool is_aligned(const ZooConfig& config, const nn::Layer& layer);

/// Whether a convolution's gates are averaged: with `lite` all but those of shortcuts, which the
/// authors build without (README, difference 2), and those too with `downsample_lite`.
bool is_lite(const ZooConfig& config, const nn::Layer& layer);

}  // namespace tessera::zoo_tuning
