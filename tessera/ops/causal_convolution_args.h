#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <tuple>

// What the operator (causal_convolution.cpp) and its CPU form (cpu/causal_convolution.cpp) share.

namespace tessera::ops {

using ConvolutionNeeds = std::array<bool, 2>;  ///< of u, of the kernel
using ConvolutionGradients = std::tuple<at::Tensor, at::Tensor>;

at::Tensor causal_convolution_cpu(const at::Tensor& u, const at::Tensor& kernel);
ConvolutionGradients causal_convolution_backward_cpu(const at::Tensor& d_y, const at::Tensor& u,
                                                     const at::Tensor& kernel,
                                                     ConvolutionNeeds needs);

}  // namespace tessera::ops
