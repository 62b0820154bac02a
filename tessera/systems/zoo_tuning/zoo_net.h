#pragma once

#include <torch/nn/module.h>

#include <optional>
#include <string>
#include <vector>

#include "tessera/nn/convnet/methods.h"
#include "tessera/systems/zoo_tuning/config.h"
#include "tessera/systems/zoo_tuning/zoo_conv.h"

namespace tessera::zoo_tuning {

/// A network whose convolutions and linear layers are aggregated ones. Any described network will
/// do; batch norm and the rest are its own, once for all sources.
class ZooNet {
 public:
  /// Registers every layer's tensors in `owner` under the layer's name ("layer1.0.conv1.weight",
  /// "layer1.0.conv1.attention.1.weight").
  ZooNet(nn::Network network, const ZooConfig& config, torch::nn::Module& owner);

  const nn::Network& network() const { return network_; }

  /// x: (B, C, H, W), of any height and width that the layers take.
  /// Throws InvalidArgument on other channels.
  at::Tensor forward(const at::Tensor& x, nn::Mode mode);

  struct LayerGates {
    std::string layer;
    at::Tensor gates;  ///< (B, E)
  };
  /// The gates of every layer for these inputs, in evaluation: λ where a layer is lite.
  std::vector<LayerGates> gates(const at::Tensor& x);

  /// The names of the layers whose gates depend on the input: those that do not fold.
  std::vector<std::string> input_dependent() const;
  /// The names of the lite layers whose λ is 0: those that never trained.
  std::vector<std::string> untrained() const;

  /// <norm>.num_batches_tracked of every batch norm: the training forwards since this object was
  /// made. Not among the weights: no result depends on it.
  TensorMap batch_counters() const;

  /// The same network with plain layers: lite ones by λ. Throws InvalidArgument where a layer's
  /// gates depend on the input, and where it never trained.
  nn::WeightedNetwork folded() const;

 private:
  at::Tensor run(const at::Tensor& x, nn::Mode mode, std::vector<LayerGates>* seen);
  at::Tensor run_layer(size_t index, std::span<const at::Tensor> inputs, nn::Mode mode);

  /// Whether the layer alone reads its first input, and nobody misses what was there: a ReLU or a
  /// sum after a batch norm or a sum, and in inference a batch norm after a convolution.
  bool may_overwrite(const nn::Layer& layer) const;

  nn::Network network_;
  nn::Schedule schedule_;
  std::vector<std::optional<ZooConv>> convs_;  ///< per layer
  std::vector<nn::LayerTensors> tensors_;      ///< of batch norms
  std::vector<bool> may_overwrite_;            ///< per layer
  int64_t num_batches_ = 0;                    ///< training forwards
};

}  // namespace tessera::zoo_tuning
