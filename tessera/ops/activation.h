#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

namespace tessera::ops {

/// The pointwise functions that the fused operators know. LeakyReLU's slope is 0.2.
enum class Activation { kSilu, kRelu, kLeakyRelu };

inline constexpr double kLeakySlope = 0.2;

/// "silu", "relu", "leaky_relu"; throws InvalidArgument with the nearest name.
Activation activation_of(std::string_view name);
const char* name_of(Activation activation);

/// The same in ATen operators.
at::Tensor activate(const at::Tensor& z, Activation activation);

}  // namespace tessera::ops
