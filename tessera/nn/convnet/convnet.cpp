#include "tessera/nn/convnet/convnet.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/types.h>

#include <algorithm>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/nn/convnet/fused_conv.h"
#include "tessera/nn/convnet/init.h"
#include "tessera/ops/autocast.h"

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

// Maps that are read while they lie in a core's second-level cache, which holds one or two MiB, and
// that malloc takes from its heap: from 32 MiB on it maps fresh pages for each tensor, whose first
// touch costs more than the convolution that writes them.
constexpr int64_t kCacheBytes = int64_t{2} << 20;

int64_t size_of(const Shape& shape) { return shape.channels * shape.height * shape.width; }

}  // namespace

ConvNet::ConvNet(Network network, torch::nn::Module& owner)
    : network_(std::move(network)),
      schedule_(network_),
      one_pass_(std::make_unique<OnePassConvs>(network_)),
      is_ready_relu_(network_.layers.size(), false) {
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
      is_ready_relu_[network_.find(reader.name)] = true;
    }
  }
  plan_inference();
}

void ConvNet::plan_inference() {
  constexpr int64_t kFloatBytes = 4;
  const std::vector<LayerShapes> shapes = infer_shapes(network_);
  for (size_t i = 0; i < shapes.size(); ++i) {
    const Layer& layer = network_.layers[i];
    map_bytes_ =
        std::max(map_bytes_, (size_of(shapes[i].in) + size_of(shapes[i].out)) * kFloatBytes);
    if (layer.kind == LayerKind::kConv) kernel_bytes_ += tensors_[i].weight.numel() * kFloatBytes;
    if (layer.kind == LayerKind::kFlatten && schedule_.is_cut(i + 1)) {
      head_ = i + 1;
      break;
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
  // Under autocast convolutions choose their dtype by themselves, which the fused ones do not.
  const bool is_inference = mode == Mode::kEvaluate && !at::GradMode::is_enabled();
  if (is_onednn && is_inference && !ops::is_autocast(x)) return infer(x);
  if (mode == Mode::kTrain) one_pass_->forget();
  const at::Tensor maps = is_onednn ? x.contiguous(at::MemoryFormat::ChannelsLast) : x;
  return schedule_.run(maps, [&](size_t i, std::span<const at::Tensor> inputs) {
    // Nobody else reads the convolution's output, its own backward neither.
    if (is_ready_relu_[i]) return at::Tensor(inputs.front()).relu_();
    return apply(network_.layers[i], tensors_[i], inputs, mode);
  });
}

at::Tensor ConvNet::infer(const at::Tensor& x) const {
  const auto laid = [](const at::Tensor& maps) {
    return maps.contiguous(at::MemoryFormat::ChannelsLast);
  };
  // Few images at a time, as long as each convolution still reads more maps than kernels.
  const int64_t most = std::max<int64_t>(
      std::max(kCacheBytes, kernel_bytes_) * at::get_num_threads() / map_bytes_, 1);
  const int64_t parts = (x.size(0) + most - 1) / most;
  const auto run = [&](const at::Tensor& maps, size_t begin, size_t end) {
    OnePassConvs::Pass pass(*one_pass_, tensors_);
    return schedule_.run(maps, std::ref(pass), begin, end);
  };
  if (head_ == 0 || parts < 2) return run(laid(x), 0, network_.layers.size());
  std::vector<at::Tensor> features;
  for (const at::Tensor& part : x.split((x.size(0) + parts - 1) / parts)) {
    features.push_back(run(laid(part), 0, head_));
  }
  return run(at::cat(features), head_, network_.layers.size());
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
