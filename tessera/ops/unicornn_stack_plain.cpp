#include <ATen/ATen.h>

#include "tessera/ops/product.h"
#include "tessera/ops/unicornn_stack.h"

namespace tessera::ops {

UnicornnStackResult unicornn_stack_plain(const at::Tensor& x,
                                         const std::vector<UnicornnStackLayer>& layers,
                                         const at::Tensor& masks, const UnicornnState& start,
                                         const UnicornnStackOptions& options) {
  const auto recurrence = options.backward == UnicornnBackwardMode::kStore
                              ? unicornn_recurrence_plain
                              : unicornn_recurrence;
  const auto layer_of = [](const at::Tensor& all, size_t l) {
    return all.defined() ? all[static_cast<int64_t>(l)] : all;
  };
  const auto reach = static_cast<size_t>(options.skip) + 1;
  std::vector<at::Tensor> outputs, y_n, z_n;
  for (size_t l = 0; l < layers.size(); ++l) {
    const UnicornnStackLayer& layer = layers[l];
    at::Tensor q = affine(l == 0 ? x : outputs.back(), layer.v, layer.b);
    if (options.residual != UnicornnResidual::kNone && l >= reach) {
      const at::Tensor& below = outputs[l - reach];
      q = q + (layer.residual.defined() ? affine(below, layer.residual) : below);
    }
    const UnicornnResult result =
        recurrence(q, {layer.w, layer.c, layer.dt, options.alpha},
                   {layer_of(start.y, l), layer_of(start.z, l)}, layer_of(masks, l),
                   options.sequence || l + 1 < layers.size());
    outputs.push_back(result.y);
    y_n.push_back(result.state.y);
    z_n.push_back(result.state.z);
  }
  return {.y = outputs.back(), .y_n = at::stack(y_n), .z_n = at::stack(z_n)};
}

}  // namespace tessera::ops
