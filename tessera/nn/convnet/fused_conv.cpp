#include "tessera/nn/convnet/fused_conv.h"

#include <ATen/ATen.h>

#include <array>

#include "tessera/ops/dispatch.h"

namespace tessera::nn {
namespace {

using OnednnConv = at::Tensor(const at::Tensor&, const at::Tensor&, const ops::OptionalTensor&,
                              at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, int64_t,
                              std::string_view, c10::List<std::optional<at::Scalar>>,
                              std::optional<std::string_view>);
using OnednnHandle = c10::TypedOperatorHandle<OnednnConv>;

/// torch's oneDNN convolution with a function behind it, which inductor calls; absent in builds
/// without oneDNN.
const std::optional<OnednnHandle>& onednn_conv() {
  static const std::optional<OnednnHandle> handle = []() -> std::optional<OnednnHandle> {
    const auto found =
        c10::Dispatcher::singleton().findSchema({"mkldnn::_convolution_pointwise", ""});
    if (!found || !found->hasKernelForDispatchKey(c10::DispatchKey::CPU)) return {};
    return found->typed<OnednnConv>();
  }();
  return handle;
}

}  // namespace

bool runs_onednn_conv(const at::Tensor& x) {
  const bool has_dtype = x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16;
  return has_dtype && x.is_cpu() && x.dim() == 4 && at::globalContext().userEnabledMkldnn() &&
         onednn_conv().has_value();
}

at::Tensor packed_kernel(const Layer& layer, const at::Tensor& weight, at::IntArrayRef x_sizes) {
  const auto both = [](const int64_t& value) { return std::array<int64_t, 2>{value, value}; };
  const at::NoGradGuard no_grad;
  return at::mkldnn_reorder_conv2d_weight(weight.detach().to_mkldnn(), both(layer.padding),
                                          both(layer.stride), both(layer.dilation), layer.groups,
                                          x_sizes);
}

at::Tensor conv_relu(const Layer& layer, const LayerTensors& tensors, const at::Tensor& x) {
  const auto both = [](const int64_t& value) { return std::array<int64_t, 2>{value, value}; };
  const at::NoGradGuard no_grad;
  return onednn_conv()->call(x, tensors.weight, ops::optional(tensors.bias), both(layer.padding),
                             both(layer.stride), both(layer.dilation), layer.groups, "relu",
                             c10::List<std::optional<at::Scalar>>(), "");
}

}  // namespace tessera::nn
