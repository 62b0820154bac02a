#pragma once

#include <ATen/core/Tensor.h>

#include "tessera/nn/convnet/evaluate.h"

namespace tessera::nn {

/// Whether oneDNN computes convolutions of x: float32 or bfloat16 on the CPU of a torch with
/// oneDNN. It reads channels-last maps as they are, and blocks all others before each layer and
/// back behind it.
bool runs_onednn_conv(const at::Tensor& x);

/// A kernel in the layout in which oneDNN reads it for maps of the sizes of x: for fused_conv,
/// which else lays it out each time.
at::Tensor packed_kernel(const Layer& layer, const at::Tensor& weight, at::IntArrayRef x_sizes);

/// conv(x) + bias + other, with a ReLU behind it where there is one, in one pass and without
/// gradients. weight: as it is or packed. bias, other: may be undefined; other has the output's
/// shape. Only where runs_onednn_conv(x).
at::Tensor fused_conv(const Layer& layer, const at::Tensor& x, const at::Tensor& weight,
                      const at::Tensor& bias, const at::Tensor& other, bool has_relu);

}  // namespace tessera::nn
