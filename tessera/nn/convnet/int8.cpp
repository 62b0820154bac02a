#include "tessera/nn/convnet/int8.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "tessera/core/error.h"
#include "tessera/ops/dispatch.h"
#include "tessera/ops/max_pool.h"

namespace tessera::nn {
namespace {

constexpr double kLargestByte = 255, kLargestWeight = 127;
// As much of the maps as a core's second-level cache holds.
constexpr int64_t kImageCacheBytes = int64_t{1} << 20;

struct Operators {
  c10::OperatorHandle prepack, conv;
};

const std::optional<Operators>& operators() {
  static const std::optional<Operators> found = []() -> std::optional<Operators> {
    auto& dispatcher = c10::Dispatcher::singleton();
    const auto prepack = dispatcher.findSchema({"onednn::qconv_prepack", ""});
    const auto conv = dispatcher.findSchema({"onednn::qconv_pointwise", ""});
    if (!prepack || !conv) return {};
    return Operators{*prepack, *conv};
  }();
  return found;
}

/// Calls by position: the operators' C++ types differ between releases of torch, their schemas
/// less.
at::Tensor call(const c10::OperatorHandle& op, torch::jit::Stack stack) {
  op.callBoxed(stack);
  return stack.front().toTensor();
}

c10::List<int64_t> in_both(int64_t value) { return {value, value}; }

[[noreturn]] void refuse(const std::string& rule, const std::string& got) {
  fail<InvalidArgument>({.where = "int8",
                         .rule = rule,
                         .got = got,
                         .next = "Run the network in float32 or bfloat16.",
                         .id = "T-INT8-01"});
}

/// The number of layers up to the flatten; each of them must read the one before.
size_t length_of_chain(const Network& network) {
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const Layer& layer = network.layers[i];
    const std::string before = i == 0 ? std::string(kInput) : network.layers[i - 1].name;
    const bool is_conv = i > 0 && network.layers[i - 1].kind == LayerKind::kConv;
    const bool is_relu =
        layer.kind == LayerKind::kActivation && layer.activation == ops::Activation::kRelu;
    if (layer.inputs != std::vector<std::string>{before} || is_conv != is_relu) {
      refuse("a network is a chain of convolutions with a ReLU behind each", layer.name);
    }
    switch (layer.kind) {
      case LayerKind::kFlatten:
        return i + 1;
      case LayerKind::kConv:
      case LayerKind::kMaxPool:
      case LayerKind::kDropout:
        break;
      default:
        if (!is_relu) refuse("up to the flatten there are convolutions and max-pools", layer.name);
    }
  }
  refuse("a network has a flatten behind its maps", network.name);
}

double largest(const at::Tensor& maps) { return std::max(maps.max().item<double>(), 1e-30); }

}  // namespace

bool runs_int8_conv() { return operators().has_value() && at::globalContext().userEnabledMkldnn(); }

Int8Net::Int8Net(const ConvNet& net, const at::Tensor& images)
    : network_(net.network()), convs_(network_.layers.size()), schedule_(network_) {
  if (!runs_int8_conv()) {
    fail<Unsupported>({.where = "int8",
                       .rule = "this torch has oneDNN's convolution of integers",
                       .got = "none",
                       .id = "T-INT8-02"});
  }
  head_ = length_of_chain(network_);
  if (images.numel() == 0 || images.min().item<double>() < 0) {
    refuse("calibration images are there and not negative", c10::str(images.sizes()));
  }
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < network_.layers.size(); ++i) {
    LayerTensors& tensors = tensors_.emplace_back(net.tensors(i));
    for (at::Tensor* tensor : {&tensors.weight, &tensors.bias}) {
      if (tensor->defined()) *tensor = tensor->detach().clone();
    }
  }
  in_scale_ = last_scale_ = largest(images) / kLargestByte;
  int64_t most = 1;
  at::Tensor x = images.contiguous(at::MemoryFormat::ChannelsLast);
  for (size_t i = 0; i + 1 < head_; ++i) {
    const Layer& layer = network_.layers[i];
    const int64_t before = x.numel() / x.size(0);
    x = apply(layer, tensors_[i], {&x, 1}, Mode::kEvaluate);
    most = std::max(most, before + x.numel() / x.size(0));
    if (layer.kind != LayerKind::kConv) continue;
    Conv& conv = convs_[i];
    const at::Tensor& weight = tensors_[i].weight;
    conv.weight_scale =
        weight.abs().amax(at::IntArrayRef{1, 2, 3}).clamp_min(1e-30).div(kLargestWeight);
    const at::Tensor whole =
        weight.div(conv.weight_scale.view({-1, 1, 1, 1})).round().to(at::kChar).contiguous();
    conv.zero_point = at::zeros({whole.size(0)}, at::kInt);
    conv.bias = tensors_[i].bias;
    conv.in_scale = last_scale_;
    conv.out_scale = last_scale_ = largest(x) / kLargestByte;
    conv.weight =
        call(operators()->prepack,
             {whole, conv.weight_scale, conv.in_scale, int64_t{0}, in_both(layer.stride),
              in_both(layer.padding), in_both(layer.dilation), layer.groups, c10::IValue()});
  }
  images_at_once_ = std::max<int64_t>(kImageCacheBytes / most, 1);
}

at::Tensor Int8Net::convolve(const Layer& layer, const Conv& conv, const at::Tensor& x) const {
  return call(
      operators()->conv,
      {x, conv.in_scale, int64_t{0}, conv.weight, conv.weight_scale, conv.zero_point,
       conv.bias.defined() ? c10::IValue(conv.bias) : c10::IValue(), in_both(layer.stride),
       in_both(layer.padding), in_both(layer.dilation), layer.groups, conv.out_scale, int64_t{0},
       c10::IValue(at::kByte), "relu", c10::List<std::optional<at::Scalar>>(), ""});
}

at::Tensor Int8Net::maps(const at::Tensor& x) const {
  at::Tensor value = x.contiguous(at::MemoryFormat::ChannelsLast)
                         .div(in_scale_)
                         .round_()
                         .clamp_(0, kLargestByte)
                         .to(at::kByte);
  for (size_t i = 0; i + 1 < head_; ++i) {
    const Layer& layer = network_.layers[i];
    if (layer.kind == LayerKind::kConv) {
      value = convolve(layer, convs_[i], value);
    } else if (layer.kind == LayerKind::kMaxPool) {
      value = ops::max_pool(value, layer.kernel, layer.stride, layer.padding);
    }
  }
  return value.flatten(1).to(at::kFloat).mul_(last_scale_);
}

at::Tensor Int8Net::forward(const at::Tensor& x) const {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> features;
  for (const at::Tensor& part : x.split(images_at_once_ * at::get_num_threads())) {
    features.push_back(maps(part));
  }
  return schedule_.run(
      at::cat(features),
      [&](size_t i, std::span<const at::Tensor> inputs) {
        return apply(network_.layers[i], tensors_[i], inputs, Mode::kEvaluate);
      },
      head_, network_.layers.size());
}

}  // namespace tessera::nn
