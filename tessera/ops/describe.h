#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace tessera::ops {

/// "float32 (128, 2)": dtype and shape for messages; "nothing" for an undefined tensor.
std::string describe(const at::Tensor& tensor);

}  // namespace tessera::ops
