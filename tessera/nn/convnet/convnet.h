#pragma once

#include <torch/nn/module.h>

#include <memory>
#include <vector>

#include "tessera/nn/convnet/evaluate.h"
#include "tessera/nn/convnet/network.h"
#include "tessera/nn/convnet/one_pass.h"

namespace tessera::nn {

/// A network's layers with their parameters, registered in a module of the caller's under the
/// layers' names ("layer1.0.conv1.weight"), so that a state dict has exactly these names.
/// Parameters are drawn as torch's own modules draw them; initialise() offers the papers' rules.
class ConvNet {
 public:
  /// Checks the network. `owner` must outlive the layers' use by name, not the tensors.
  ConvNet(Network network, torch::nn::Module& owner);
  ConvNet(const ConvNet&) = delete;
  ConvNet& operator=(const ConvNet&) = delete;

  const Network& network() const { return network_; }
  /// x: (B, C, H, W) of the network's input shape.  returns (B, features), or maps
  /// Throws InvalidArgument on another shape.
  at::Tensor forward(const at::Tensor& x, Mode mode) const;

  /// The tensors of a layer: handles of the registered ones.
  const LayerTensors& tensors(size_t layer) const { return tensors_[layer]; }

 private:
  Network network_;
  Schedule schedule_;
  std::vector<LayerTensors> tensors_;
  void plan_inference();
  /// forward without gradients by oneDNN: a part of the batch after the other up to the head.
  at::Tensor infer(const at::Tensor& x) const;

  size_t head_ = 0;           ///< first layer that does not see maps any more; 0: all see them
  int64_t map_bytes_ = 0;     ///< of one image: the largest input and output of a layer, in float32
  int64_t kernel_bytes_ = 0;  ///< of all convolutions
  std::unique_ptr<OnePassConvs> one_pass_;
  std::vector<bool> is_ready_relu_;  ///< of a convolution that nobody else reads: in place
};

/// A network as a module of its own, for callers without a model around it.
class ConvNetModule : public torch::nn::Module {
 public:
  explicit ConvNetModule(Network network) : net_(std::move(network), *this) {}

  const Network& network() const { return net_.network(); }
  at::Tensor forward(const at::Tensor& x) const {
    return net_.forward(x, is_training() ? Mode::kTrain : Mode::kEvaluate);
  }

 private:
  ConvNet net_;
};

/// The module of a network with the given weights (all of them, by name); empty: freshly drawn.
std::shared_ptr<ConvNetModule> build(const Network& network, const TensorMap& weights = {});

}  // namespace tessera::nn
