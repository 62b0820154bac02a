#include "tessera/systems/zoo_tuning/zoo_net.h"

#include <ATen/ATen.h>

#include "tessera/core/error.h"
#include "tessera/core/text.h"

namespace tessera::zoo_tuning {
namespace {

using nn::LayerKind;

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

nn::LayerTensors register_norm(torch::nn::Module& owner, int64_t channels) {
  return {.weight = owner.register_parameter("weight", at::ones({channels})),
          .bias = owner.register_parameter("bias", at::zeros({channels})),
          .running_mean = owner.register_buffer("running_mean", at::zeros({channels})),
          .running_var = owner.register_buffer("running_var", at::ones({channels}))};
}

ZooConvOptions options_of(const ZooConfig& config, const nn::Layer& layer, int64_t in_channels) {
  return {.in_channels = in_channels,
          .out_channels = layer.out_channels,
          .kernel = layer.kernel,
          .geometry = {.stride = layer.stride,
                       .padding = layer.padding,
                       .dilation = layer.dilation,
                       .groups = layer.groups},
          .has_bias = layer.has_bias,
          .num_sources = config.num_sources,
          .is_aligned = is_aligned(config, layer),
          .is_lite = is_lite(config, layer),
          .lite_momentum = config.lite_momentum};
}

}  // namespace

ZooNet::ZooNet(nn::Network network, const ZooConfig& config, torch::nn::Module& owner)
    : network_(std::move(network)),
      schedule_(network_),
      convs_(network_.layers.size()),
      tensors_(network_.layers.size()) {
  const std::vector<nn::LayerShapes> shapes = nn::infer_shapes(network_);
  for (size_t i = 0; i < network_.layers.size(); ++i) {
    const nn::Layer& layer = network_.layers[i];
    const int64_t channels = shapes[i].in.channels;
    if (layer.kind == LayerKind::kConv || layer.kind == LayerKind::kLinear) {
      convs_[i].emplace(options_of(config, layer, channels), submodule(owner, layer.name));
    } else if (layer.kind == LayerKind::kBatchNorm) {
      tensors_[i] = register_norm(submodule(owner, layer.name), channels);
    }
    may_overwrite_.push_back(may_overwrite(layer));
  }
}

bool ZooNet::may_overwrite(const nn::Layer& layer) const {
  const std::string& input = layer.inputs.front();
  if (input == nn::kInput || nn::consumers(network_, input).size() != 1) return false;
  const LayerKind source = network_.layer(input).kind;
  // The backward of a batch norm and of a sum does not need their outputs.
  const bool is_free = source == LayerKind::kBatchNorm || source == LayerKind::kAdd;
  switch (layer.kind) {
    case LayerKind::kActivation:
      return is_free && layer.activation == ops::Activation::kRelu;
    case LayerKind::kAdd:
      return is_free && layer.inputs.size() == 2;
    case LayerKind::kBatchNorm:
      return source == LayerKind::kConv;
    default:
      return false;
  }
}

at::Tensor ZooNet::run_layer(size_t index, std::span<const at::Tensor> inputs, nn::Mode mode) {
  const nn::Layer& layer = network_.layers[index];
  if (convs_[index]) {
    if (layer.kind == LayerKind::kConv) return convs_[index]->forward(inputs.front(), mode).y;
    const at::Tensor& x = inputs.front();
    return convs_[index]->forward(x.view({x.size(0), -1, 1, 1}), mode).y.flatten(1);
  }
  const bool is_inference = mode == nn::Mode::kEvaluate && !at::GradMode::is_enabled();
  if (!may_overwrite_[index]) return nn::apply(layer, tensors_[index], inputs, mode);
  // In place: a new map costs more than the arithmetic.
  at::Tensor y = inputs.front();
  if (layer.kind == LayerKind::kActivation) return y.relu_();
  if (layer.kind == LayerKind::kAdd) return y.add_(inputs[1]);
  if (!is_inference) return nn::apply(layer, tensors_[index], inputs, mode);
  const nn::LayerTensors& t = tensors_[index];
  const at::Tensor scale = t.weight * (t.running_var + layer.eps).rsqrt_();
  const at::Tensor shift = t.bias - t.running_mean * scale;
  return at::addcmul_out(y, shift.view({-1, 1, 1}), y, scale.view({-1, 1, 1}));
}

at::Tensor ZooNet::run(const at::Tensor& x, nn::Mode mode, std::vector<LayerGates>* seen) {
  if (x.dim() != 4 || x.size(1) != network_.input.channels) {
    fail<InvalidArgument>({.where = "zoo_tuning",
                           .rule = network_.name + " takes inputs (B, " +
                                   std::to_string(network_.input.channels) + ", H, W)",
                           .got = c10::str(x.sizes()),
                           .id = "T-ZOO-10"});
  }
  const at::Tensor maps = x.contiguous(at::MemoryFormat::ChannelsLast);
  return schedule_.run(maps, [&](size_t i, std::span<const at::Tensor> inputs) {
    if (seen && convs_[i]) {
      const at::Tensor& in = inputs.front();
      const at::Tensor& average = convs_[i]->average_gates();
      seen->push_back(
          {network_.layers[i].name,
           average.defined()
               ? average.expand({in.size(0), -1})
               : convs_[i]->gates(in.dim() == 4 ? in : in.view({in.size(0), -1, 1, 1}))});
    }
    return run_layer(i, inputs, mode);
  });
}

at::Tensor ZooNet::forward(const at::Tensor& x, nn::Mode mode) {
  at::Tensor out = run(x, mode, nullptr);
  if (mode == nn::Mode::kTrain) ++num_batches_;
  if (out.dim() == 4 && out.requires_grad()) {
    // A gradient of another layout would slow down every step of the way back.
    out.register_hook(
        [](const at::Tensor& d) { return d.contiguous(at::MemoryFormat::ChannelsLast); });
  }
  return out;
}

std::vector<ZooNet::LayerGates> ZooNet::gates(const at::Tensor& x) {
  const at::NoGradGuard no_grad;
  std::vector<LayerGates> seen;
  run(x, nn::Mode::kEvaluate, &seen);
  return seen;
}

TensorMap ZooNet::batch_counters() const {
  TensorMap counters;
  for (const nn::Layer& layer : network_.layers) {
    if (layer.kind != LayerKind::kBatchNorm) continue;
    counters.set(layer.name + ".num_batches_tracked", at::scalar_tensor(num_batches_, at::kLong));
  }
  return counters;
}

std::vector<std::string> ZooNet::input_dependent() const {
  std::vector<std::string> names;
  for (size_t i = 0; i < convs_.size(); ++i) {
    if (convs_[i] && !convs_[i]->options().is_lite) names.push_back(network_.layers[i].name);
  }
  return names;
}

std::vector<std::string> ZooNet::untrained() const {
  std::vector<std::string> names;
  for (size_t i = 0; i < convs_.size(); ++i) {
    if (!convs_[i] || !convs_[i]->options().is_lite) continue;
    if (!convs_[i]->average_gates().any().item<bool>()) names.push_back(network_.layers[i].name);
  }
  return names;
}

nn::WeightedNetwork ZooNet::folded() const {
  const auto refuse_if_any = [](const std::vector<std::string>& names, const char* rule,
                                const char* next, const char* id) {
    if (names.empty()) return;
    fail<InvalidArgument>(
        {.where = "zoo_tuning",
         .rule = rule,
         .got = std::to_string(names.size()) + " others, " + names.front() + " first",
         .next = next,
         .id = id});
  };
  refuse_if_any(input_dependent(), "a network folds where the gates of all its layers are averages",
                "Train with model.lite = true and model.downsample_lite = true.", "T-ZOO-11");
  refuse_if_any(untrained(), "a network folds once its averages of gates have trained",
                "Train it first: they begin at 0.", "T-ZOO-12");
  nn::WeightedNetwork plain{.network = network_, .weights = {}};
  for (size_t i = 0; i < network_.layers.size(); ++i) {
    const nn::Layer& layer = network_.layers[i];
    const std::string name = layer.name + ".";
    if (convs_[i]) {
      const ZooConv::Plain folded = convs_[i]->folded(convs_[i]->average_gates());
      const bool is_linear = layer.kind == LayerKind::kLinear;
      plain.weights.set(name + "weight", is_linear ? folded.weight.flatten(1) : folded.weight);
      if (folded.bias.defined()) plain.weights.set(name + "bias", folded.bias);
    } else if (layer.kind == LayerKind::kBatchNorm) {
      plain.weights.set(name + "weight", tensors_[i].weight.detach().clone());
      plain.weights.set(name + "bias", tensors_[i].bias.detach().clone());
      plain.weights.set(name + "running_mean", tensors_[i].running_mean.clone());
      plain.weights.set(name + "running_var", tensors_[i].running_var.clone());
    }
  }
  return plain;
}

}  // namespace tessera::zoo_tuning
