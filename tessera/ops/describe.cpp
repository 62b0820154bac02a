#include "tessera/ops/describe.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tessera::ops {

std::string describe(const at::Tensor& tensor) {
  if (!tensor.defined()) return "nothing";
  const char* dtype = nullptr;
  switch (tensor.scalar_type()) {
    case at::kFloat:
      dtype = "float32";
      break;
    case at::kDouble:
      dtype = "float64";
      break;
    case at::kHalf:
      dtype = "float16";
      break;
    case at::kBFloat16:
      dtype = "bfloat16";
      break;
    case at::kLong:
      dtype = "int64";
      break;
    case at::kInt:
      dtype = "int32";
      break;
    case at::kBool:
      dtype = "bool";
      break;
    default:
      dtype = c10::toString(tensor.scalar_type());
  }
  return fmt::format("{} ({})", dtype, fmt::join(tensor.sizes(), ", "));
}

}  // namespace tessera::ops
