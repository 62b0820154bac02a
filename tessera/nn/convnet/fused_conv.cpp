#include "tessera/nn/convnet/fused_conv.h"

#include <ATen/ATen.h>

#include <array>

#include "tessera/ops/dispatch.h"

namespace tessera::nn {
namespace {

using Scalars = c10::List<std::optional<at::Scalar>>;
using Text = std::optional<std::string_view>;
using OnednnConv = at::Tensor(const at::Tensor&, const at::Tensor&, const ops::OptionalTensor&,
                              at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, int64_t,
                              std::string_view, Scalars, Text);
using OnednnConvSum = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                 const ops::OptionalTensor&, at::IntArrayRef, at::IntArrayRef,
                                 at::IntArrayRef, int64_t, std::string_view,
                                 std::optional<at::Scalar>, Text, Scalars, Text);

/// torch's oneDNN convolutions with a function behind them, which inductor calls; absent in builds
/// without oneDNN.
template <class Signature>
std::optional<c10::TypedOperatorHandle<Signature>> onednn(const char* overload) {
  const auto found =
      c10::Dispatcher::singleton().findSchema({"mkldnn::_convolution_pointwise", overload});
  if (!found || !found->hasKernelForDispatchKey(c10::DispatchKey::CPU)) return {};
  return found->typed<Signature>();
}
const auto& onednn_conv() {
  static const auto handle = onednn<OnednnConv>("");
  return handle;
}
const auto& onednn_conv_sum() {
  static const auto handle = onednn<OnednnConvSum>("binary");
  return handle;
}

std::array<int64_t, 2> twice(int64_t value) { return {value, value}; }

}  // namespace

bool runs_onednn_conv(const at::Tensor& x) {
  const bool has_dtype = x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16;
  return has_dtype && x.is_cpu() && x.dim() == 4 && at::globalContext().userEnabledMkldnn() &&
         onednn_conv().has_value() && onednn_conv_sum().has_value();
}

at::Tensor packed_kernel(const Layer& layer, const at::Tensor& weight, at::IntArrayRef x_sizes) {
  const at::NoGradGuard no_grad;
  return at::mkldnn_reorder_conv2d_weight(weight.detach().to_mkldnn(), twice(layer.padding),
                                          twice(layer.stride), twice(layer.dilation), layer.groups,
                                          x_sizes);
}

at::Tensor fused_conv(const Layer& layer, const at::Tensor& x, const at::Tensor& weight,
                      const at::Tensor& bias, const at::Tensor& other, bool has_relu) {
  const at::NoGradGuard no_grad;
  const auto stride = twice(layer.stride), padding = twice(layer.padding),
             dilation = twice(layer.dilation);
  if (!other.defined()) {
    return onednn_conv()->call(x, weight, ops::optional(bias), padding, stride, dilation,
                               layer.groups, has_relu ? "relu" : "none", Scalars(), "");
  }
  return onednn_conv_sum()->call(x, other, weight, ops::optional(bias), padding, stride, dilation,
                                 layer.groups, "add", 1, has_relu ? Text("relu") : Text(),
                                 Scalars(), Text());
}

}  // namespace tessera::nn
