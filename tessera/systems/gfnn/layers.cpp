#include "tessera/systems/gfnn/layers.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "tessera/core/error.h"
#include "tessera/ops/describe.h"

namespace tessera::gfnn {

at::Tensor activate(const at::Tensor& z, std::string_view name) {
  if (name == "relu") return at::relu(z);
  if (name == "elu") return at::elu(z);
  if (name == "tanh") return at::tanh(z);
  if (name == "silu") return at::silu(z);
  return z;
}

at::Tensor Dropout::operator()(const at::Tensor& a, int64_t layer) const {
  const double scale = 1 / (1 - share);
  const at::Tensor* given = inputs->find(fmt::format("dropout_mask_{}", layer));
  if (given == nullptr) {
    if (!draws || share == 0) return a;
    return a * at::empty_like(a).bernoulli_(1 - share).mul_(scale);
  }
  at::Tensor mask = given->dim() + 1 == a.dim() ? given->unsqueeze(1) : *given;
  if (mask.dim() != a.dim() || mask.size(0) != a.size(0) || mask.size(-1) != a.size(-1)) {
    fail<InvalidArgument>(
        {.where = "gfnn",
         .rule = fmt::format("dropout_mask_{} must be ({}, {})", layer, a.size(0), a.size(-1)),
         .got = ops::describe(*given),
         .id = "T-GFN-10"});
  }
  return a * mask.to(a.scalar_type()).mul(scale);
}

const at::Tensor& checked_x(const TensorMap& inputs, int64_t in_dim) {
  const at::Tensor& x = inputs.at("x");
  if (x.dim() == 2 && x.size(1) == in_dim) return x;
  fail<InvalidArgument>({.where = "gfnn",
                         .rule = fmt::format("x must be (B, {})", in_dim),
                         .got = ops::describe(x),
                         .next = "Set model.in_dim to the width of the data.",
                         .id = "T-GFN-11"});
}

const at::Tensor& checked_g(const TensorMap& inputs, int64_t columns, const at::Tensor& x) {
  const at::Tensor& g = inputs.at("g");
  if (g.dim() == 2 && g.size(1) == columns && g.size(0) == x.size(0)) return g;
  fail<InvalidArgument>({.where = "gfnn",
                         .rule = fmt::format("g must be ({}, {}): a row for each of x, a column "
                                             "for each coordinate",
                                             x.size(0), columns),
                         .got = ops::describe(g),
                         .id = "T-GFN-12"});
}

}  // namespace tessera::gfnn
