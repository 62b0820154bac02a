#pragma once

#include <ATen/core/Tensor.h>

#include "tessera/nn/convnet/evaluate.h"

namespace tessera::nn {

/// Whether oneDNN computes convolutions of x: float32 or bfloat16 on the CPU of a torch with
/// oneDNN. It reads channels-last maps as they are, and blocks all others before each layer and
/// back behind it.
bool runs_onednn_conv(const at::Tensor& x);

/// A kernel in the layout in which oneDNN reads it for maps of the sizes of x: for conv_relu on
/// several such maps, which else lays it out each time.
at::Tensor packed_kernel(const Layer& layer, const at::Tensor& weight, at::IntArrayRef x_sizes);

/// ReLU(conv(x)) in one pass, without gradients. Only where runs_onednn_conv(x).
at::Tensor conv_relu(const Layer& layer, const LayerTensors& tensors, const at::Tensor& x);

}  // namespace tessera::nn
