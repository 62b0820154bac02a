#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

#include "tessera/ops/kinds.h"

namespace tessera::ops {

/// "silu", "relu", "leaky_relu"; throws InvalidArgument with the nearest name.
Activation activation_of(std::string_view name);
const char* name_of(Activation activation);

/// The same in ATen operators.
at::Tensor activate(const at::Tensor& z, Activation activation);

}  // namespace tessera::ops
