#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/nn/convnet/network.h"

// Builders of the networks that the papers use. Layers carry the names of the authors' modules,
// which for ResNets are torchvision's too: a state dict needs no other map.

namespace tessera::nn {

/// Position of a 2×2 pool in the plan of a VGG.
inline constexpr int64_t kPool = 0;

enum class PoolKind { kMax, kAverage };

struct VggOptions {
  Shape input{.channels = 3, .height = 32, .width = 32};
  int64_t num_classes = 10;
  std::vector<int64_t> plan;  ///< widths of 3×3 convolutions, and kPool
  bool use_batch_norm = true;
  PoolKind pool = PoolKind::kAverage;
  double dropout = 0.25;  ///< after a convolution, where there is no batch norm
};
/// conv (with bias), batch norm or dropout, ReLU for each width; flatten; linear.
/// Names: features.{i}, counted over all layers; classifier.
Network vgg(const VggOptions& options);

struct VggFcOptions {
  Shape input{.channels = 3, .height = 224, .width = 224};
  int64_t num_classes = 1000;
  std::vector<int64_t> plan;
  bool use_batch_norm = true;
  PoolKind pool = PoolKind::kAverage;
  int64_t hidden = 4096;
  int64_t pooled_size = 7;  ///< of the adaptive average pool before the classifier
};
/// The ImageNet form: three linear layers with ReLU and dropout 0.5. Names: features.{i},
/// classifier.0, .3, .6.
Network vgg_fc(const VggFcOptions& options);

/// The plan of vgg11_narrow, vgg13, vgg16 or vgg19.
std::vector<int64_t> vgg_plan(std::string_view name);

enum class Stem {
  kSmall,     ///< conv 3×3
  kImageNet,  ///< conv 7×7 stride 2, pool 3 stride 2
  kDeep,      ///< three 3×3 convolutions, the first with stride 2, then pool 3 stride 2
};

struct ResNetOptions {
  Shape input{.channels = 3, .height = 32, .width = 32};
  int64_t num_classes = 10;  ///< 0: no classifier, the pooled features are the output
  Stem stem = Stem::kSmall;
  int64_t stem_width = 64;
  int64_t stem_inner_width = 32;  ///< kDeep: of the first two convolutions
  bool stem_pools = true;         ///< kImageNet, kDeep
  PoolKind stem_pool = PoolKind::kMax;
  std::vector<int64_t> widths{64, 128, 256, 512};
  std::vector<int64_t> blocks{2, 2, 2, 2};
  std::vector<int64_t> strides;  ///< empty: 1, 2, 2, …
  bool is_bottleneck = false;
  int64_t expansion = 4;       ///< of a bottleneck
  bool use_batch_norm = true;  ///< without, convolutions have a bias, but for kSmall
  /// The last pool: 0 is the mean over the map, else an average pool of this kernel and padding
  /// that counts its padding.
  int64_t pool_kernel = 0, pool_padding = 0;
};
/// Names: conv1 (kDeep: conv1.0, .1, .3, .4, .6), bn1, layer{s}.{b}.{conv1, bn1, …, downsample.0,
/// downsample.1}, fc.
Network resnet(const std::string& name, const ResNetOptions& options);

struct MobileNetOptions {
  Shape input{.channels = 3, .height = 224, .width = 224};
  int64_t num_classes = 1000;
  int64_t stem_width = 32;
  int64_t stem_stride = 2;
  struct Unit {
    int64_t out, stride;
  };
  std::vector<Unit> units;  ///< empty: the 13 of MobileNet v1
};
/// Names: model.{i}.0, .1 and .3, .4 (conv, batch norm); fc.
Network mobilenet_v1(const MobileNetOptions& options);

struct GameOptions {
  Shape input{.channels = 3, .height = 22, .width = 52};
  int64_t num_classes = 11;
  int64_t first_channels = 32, unit_channels = 32, last_channels = 8;
  int64_t num_units = 1, convs_per_unit = 3;
  /// Convolutions that are kept, in order; the compound-scaled baseline drops the last ones.
  /// A unit's pool goes with its first convolution, the last pool with the last convolution.
  int64_t num_convs = INT64_MAX;
};
/// The game-scraping CNN of FoldedCNNs. Names: conv.{i}, counted over all layers; lin.
Network game_cnn(const GameOptions& options);

struct NoscopeOptions {
  Shape input{.channels = 3, .height = 50, .width = 50};
  int64_t num_classes = 2;
  int64_t dense_dim = 128, base_filters = 16, num_conv_layers = 2;
  bool use_dropout = false;  ///< 0.25; shifts the names by one each
};
/// The NoScope CNN. Names: 0, 2, …, counted over all layers.
Network noscope_cnn(const NoscopeOptions& options);

/// Three convolutions (5×5, 3×3, 3×3) with batch norm, ReLU and pools, then the mean over the map.
Network lenet(const Shape& input, int64_t num_classes, const std::vector<int64_t>& widths);

}  // namespace tessera::nn
