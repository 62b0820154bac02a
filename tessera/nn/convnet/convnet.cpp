#include "tessera/nn/convnet/convnet.h"

#include <ATen/ATen.h>
#include <torch/types.h>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/nn/convnet/fused_conv.h"
#include "tessera/nn/convnet/init.h"

namespace tessera::nn {
namespace {

/// The module at a dotted path below `owner`, with what is missing on the way.
torch::nn::Module& submodule(torch::nn::Module& owner, const std::string& path) {
  torch::nn::Module* module = &owner;
  for (const std::string& part : split(path, '.')) {
    std::shared_ptr<torch::nn::Module> next;
    for (const auto& item : module->named_children()) {
      if (item.key() == part) next = item.value();
    }
    if (!next) next = module->register_module(part, std::make_shared<torch::nn::Module>(part));
    module = next.get();
  }
  return *module;
}

/// Kernels lie as the maps do, channels last: else each convolution would turn them around first,
/// which costs more than the convolution itself where maps are small and widths large.
at::Tensor laid_out(const at::Tensor& weight) {
  return weight.dim() == 4 ? weight.contiguous(at::MemoryFormat::ChannelsLast) : weight;
}

LayerTensors register_layer(torch::nn::Module& owner, const Layer& layer, const TensorMap& drawn) {
  LayerTensors tensors = tensors_of(layer, drawn);
  if (!tensors.weight.defined()) return tensors;
  torch::nn::Module& module = submodule(owner, layer.name);
  tensors.weight = laid_out(tensors.weight);
  tensors.weight = module.register_parameter("weight", tensors.weight);
  if (tensors.bias.defined()) tensors.bias = module.register_parameter("bias", tensors.bias);
  if (tensors.running_mean.defined()) {
    tensors.running_mean = module.register_buffer("running_mean", tensors.running_mean);
    tensors.running_var = module.register_buffer("running_var", tensors.running_var);
  }
  return tensors;
}

}  // namespace

ConvNet::ConvNet(Network network, torch::nn::Module& owner)
    : network_(std::move(network)),
      schedule_(network_),
      has_fused_relu_(network_.layers.size(), false),
      is_fused_relu_(network_.layers.size(), false) {
  const TensorMap drawn = draw_weights(network_, Initialisation::kTorch);
  for (const Layer& layer : network_.layers) {
    tensors_.push_back(register_layer(owner, layer, drawn));
  }
  for (size_t i = 0; i < network_.layers.size(); ++i) {
    const Layer& layer = network_.layers[i];
    const std::vector<std::string> readers = consumers(network_, layer.name);
    if (layer.kind != LayerKind::kConv || readers.size() != 1) continue;
    const Layer& reader = network_.layer(readers.front());
    if (reader.kind == LayerKind::kActivation && reader.activation == ops::Activation::kRelu) {
      has_fused_relu_[i] = true;
      is_fused_relu_[network_.find(reader.name)] = true;
    }
  }
}

at::Tensor ConvNet::forward(const at::Tensor& x, Mode mode) const {
  const Shape& in = network_.input;
  const bool fits =
      x.dim() == 4 && x.size(1) == in.channels && x.size(2) == in.height && x.size(3) == in.width;
  if (!fits) {
    fail<InvalidArgument>({.where = "network",
                           .rule = network_.name + " takes inputs (B, " +
                                   std::to_string(in.channels) + ", " + std::to_string(in.height) +
                                   ", " + std::to_string(in.width) + ")",
                           .got = c10::str(x.sizes()),
                           .id = "T-NET-11"});
  }
  const bool is_onednn = runs_onednn_conv(x);
  const bool is_inference = !at::GradMode::is_enabled() && mode == Mode::kEvaluate;
  const at::Tensor maps = is_onednn ? x.contiguous(at::MemoryFormat::ChannelsLast) : x;
  return schedule_.run(maps, [&](size_t i, std::span<const at::Tensor> inputs) {
    if (is_onednn && is_inference) {
      if (has_fused_relu_[i]) {
        return conv_relu(network_.layers[i], tensors_[i], inputs.front());
      }
      if (is_fused_relu_[i]) return inputs.front();
    }
    // Nobody else reads the convolution's output, its own backward neither.
    if (is_fused_relu_[i]) return at::Tensor(inputs.front()).relu_();
    return apply(network_.layers[i], tensors_[i], inputs, mode);
  });
}

std::shared_ptr<ConvNetModule> build(const Network& network, const TensorMap& weights) {
  auto module = std::make_shared<ConvNetModule>(network);
  if (weights.empty()) return module;
  check_weights(network, weights);
  const at::NoGradGuard no_grad;
  for (const auto& list : {module->named_parameters(), module->named_buffers()}) {
    for (const auto& item : list)
      at::Tensor(item.value()).set_data(laid_out(weights.at(item.key()).clone()));
  }
  return module;
}

}  // namespace tessera::nn
