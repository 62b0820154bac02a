#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "tessera/nn/convnet/convnet.h"

namespace tessera::nn {

/// A trained network for inference with integers of eight bits, by oneDNN: unsigned maps with one
/// scale a layer, signed kernels with one scale an output channel, sums in 32 bits. Scales of maps
/// are the largest values that calibration images reach. Layers behind the last convolution compute
/// in float32.
///
/// Takes chains of convolutions with a ReLU behind each, max-pools and dropout, then a flatten and
/// anything that evaluates features; inputs that are not negative (pixels in [0, 1]).
class Int8Net {
 public:
  /// Throws InvalidArgument where the network is no such chain or an image has a negative pixel,
  /// Unsupported where this torch has no oneDNN for integers.
  Int8Net(const ConvNet& net, const at::Tensor& images);

  /// x: (B, C, H, W) float32.  returns what the network returns, float32
  at::Tensor forward(const at::Tensor& x) const;

 private:
  struct Conv {
    at::Tensor weight, weight_scale, zero_point, bias;  ///< the weight in oneDNN's own layout
    double in_scale = 0, out_scale = 0;
  };

  at::Tensor maps(const at::Tensor& x) const;
  at::Tensor convolve(const Layer& layer, const Conv& conv, const at::Tensor& x) const;

  const Network network_;
  std::vector<Conv> convs_;  ///< by layer; empty for others
  std::vector<LayerTensors> tensors_;
  Schedule schedule_;
  size_t head_ = 0;  ///< the first layer behind the flatten
  int64_t images_at_once_ = 1;
  double in_scale_ = 0, last_scale_ = 0;
};

/// Whether this torch's oneDNN convolves integers.
bool runs_int8_conv();

}  // namespace tessera::nn
