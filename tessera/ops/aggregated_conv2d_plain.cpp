#include <ATen/ATen.h>

#include <array>

#include "tessera/ops/aggregated_conv2d.h"

namespace tessera::ops {

at::Tensor aggregated_conv2d_plain(const at::Tensor& x, const at::Tensor& gates,
                                   const at::Tensor& weight, const at::Tensor& align,
                                   const at::Tensor& bias, const AggregatedConvOptions& options) {
  const int64_t samples = x.size(0), sources = weight.size(0), out = weight.size(1);
  const auto both = [](const int64_t& value) { return std::array<int64_t, 2>{value, value}; };
  at::Tensor aligned = weight;
  if (align.defined()) {
    aligned = at::matmul(align.view({sources, out, out}), weight.reshape({sources, out, -1}))
                  .view(weight.sizes());
  }
  const at::Tensor a = gates.expand({samples, sources});
  std::vector<int64_t> sizes = weight.sizes().slice(1).vec();
  sizes.front() *= samples;
  const at::Tensor kernels = at::matmul(a, aligned.reshape({sources, -1})).reshape(sizes);
  const at::Tensor biases = bias.defined() ? at::matmul(a, bias).reshape({-1}) : at::Tensor();
  const at::Tensor y =
      at::conv2d(x.reshape({1, -1, x.size(2), x.size(3)}), kernels, biases, both(options.stride),
                 both(options.padding), both(options.dilation), options.groups * samples);
  return y.reshape({samples, out, y.size(2), y.size(3)});
}

}  // namespace tessera::ops
