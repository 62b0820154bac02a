#include "tessera/ops/activation.h"

#include <ATen/ATen.h>

#include <array>
#include <string>

#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera::ops {

namespace {
constexpr std::array<const char*, 3> kNames = {"silu", "relu", "leaky_relu"};
}

const char* name_of(Activation activation) { return kNames[static_cast<size_t>(activation)]; }

Activation activation_of(std::string_view name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (name == kNames[i]) return static_cast<Activation>(i);
  }
  const std::array<std::string, 3> names = {kNames[0], kNames[1], kNames[2]};
  fail<InvalidArgument>({.where = "activation",
                         .rule = "must be silu, relu or leaky_relu",
                         .got = "\"" + std::string(name) + "\"",
                         .next = did_you_mean(name, names),
                         .id = "T-OPS-01"});
}

at::Tensor activate(const at::Tensor& z, Activation activation) {
  switch (activation) {
    case Activation::kSilu:
      return at::silu(z);
    case Activation::kRelu:
      return at::relu(z);
    case Activation::kLeakyRelu:
      return at::leaky_relu(z, kLeakySlope);
  }
  return {};
}

}  // namespace tessera::ops
