#include "tessera/nn/convnet/evaluate.h"

#include <ATen/ATen.h>

#include <array>

#include "tessera/core/error.h"
#include "tessera/ops/activation.h"
#include "tessera/ops/product.h"

namespace tessera::nn {
namespace {

std::array<int64_t, 2> both(int64_t value) { return {value, value}; }

}  // namespace

std::vector<WeightSpec> weight_specs(const Network& network) {
  const std::vector<LayerShapes> shapes = infer_shapes(network);
  std::vector<WeightSpec> specs;
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const Layer& layer = network.layers[i];
    const int64_t in = shapes[i].in.channels, out = shapes[i].out.channels;
    const auto add = [&](const char* leaf, std::vector<int64_t> shape, bool is_buffer = false) {
      specs.push_back({layer.name + "." + leaf, std::move(shape), is_buffer, i});
    };
    if (layer.kind == LayerKind::kConv) {
      add("weight", {out, in / layer.groups, layer.kernel, layer.kernel});
    } else if (layer.kind == LayerKind::kLinear) {
      add("weight", {out, in});
    } else if (layer.kind == LayerKind::kBatchNorm) {
      add("weight", {in});
      add("bias", {in});
      add("running_mean", {in}, /*is_buffer=*/true);
      add("running_var", {in}, /*is_buffer=*/true);
      continue;
    } else {
      continue;
    }
    if (layer.has_bias) add("bias", {out});
  }
  return specs;
}

void check_weights(const Network& network, const TensorMap& weights) {
  for (const WeightSpec& spec : weight_specs(network)) {
    const at::Tensor* tensor = weights.find(spec.name);
    if (tensor && tensor->sizes() == at::IntArrayRef(spec.shape)) continue;
    fail<InvalidArgument>({.where = "network",
                           .rule = network.name + " needs " + spec.name + " of shape " +
                                   c10::str(at::IntArrayRef(spec.shape)),
                           .got = tensor ? c10::str(tensor->sizes()) : "none",
                           .next = "Check that the weights are those of this network.",
                           .id = "T-NET-09"});
  }
}

LayerTensors tensors_of(const Layer& layer, const TensorMap& weights) {
  return {.weight = weights.get(layer.name + ".weight"),
          .bias = weights.get(layer.name + ".bias"),
          .running_mean = weights.get(layer.name + ".running_mean"),
          .running_var = weights.get(layer.name + ".running_var")};
}

at::Tensor apply(const Layer& layer, const LayerTensors& tensors,
                 std::span<const at::Tensor> inputs, Mode mode) {
  const at::Tensor& x = inputs.front();
  const bool is_training = mode == Mode::kTrain;
  switch (layer.kind) {
    case LayerKind::kConv:
      return at::conv2d(x, tensors.weight, tensors.bias, both(layer.stride), both(layer.padding),
                        both(layer.dilation), layer.groups);
    case LayerKind::kLinear:
      return ops::affine(x, tensors.weight, tensors.bias);
    case LayerKind::kBatchNorm:
      return at::batch_norm(x, tensors.weight, tensors.bias, tensors.running_mean,
                            tensors.running_var, is_training, layer.momentum, layer.eps,
                            at::globalContext().userEnabledCuDNN());
    case LayerKind::kActivation:
      return ops::activate(x, layer.activation);
    case LayerKind::kMaxPool:
      return at::max_pool2d(x, both(layer.kernel), both(layer.stride), both(layer.padding));
    case LayerKind::kAvgPool:
      return at::avg_pool2d(x, both(layer.kernel), both(layer.stride), both(layer.padding),
                            /*ceil_mode=*/false, layer.count_include_pad);
    case LayerKind::kAdaptiveAvgPool:
      return at::adaptive_avg_pool2d(x, both(layer.output_size));
    case LayerKind::kDropout:
      return at::dropout(x, layer.probability, is_training);
    case LayerKind::kFlatten:
      return x.flatten(1);
    case LayerKind::kAdd: {
      at::Tensor sum = x + inputs[1];
      for (const at::Tensor& more : inputs.subspan(2)) sum = sum + more;
      return sum;
    }
  }
  fail<Internal>({.where = "network", .rule = "a layer kind without a function"});
}

Schedule::Schedule(const Network& network) {
  infer_shapes(network);
  for (size_t i = 0; i < network.layers.size(); ++i) {
    std::vector<size_t>& sources = sources_.emplace_back();
    last_reader_.push_back(i);
    for (const std::string& input : network.layers[i].inputs) {
      sources.push_back(input == kInput ? kFromInput : network.find(input));
      if (sources.back() != kFromInput) last_reader_[sources.back()] = i;
    }
  }
  last_reader_.back() = sources_.size();
}

at::Tensor Schedule::run(const at::Tensor& x, const LayerFunction& function, size_t begin,
                         size_t end) const {
  // Layer begin − 1 wraps around to kFromInput where begin is 0.
  std::vector<at::Tensor> values(end);
  std::vector<at::Tensor> inputs;
  for (size_t i = begin; i < end; ++i) {
    inputs.clear();
    for (const size_t source : sources_[i]) {
      inputs.push_back(source == begin - 1 ? x : values.at(source));
    }
    values[i] = function(i, inputs);
    for (const size_t source : sources_[i]) {
      if (source != begin - 1 && last_reader_[source] == i) values[source].reset();
    }
  }
  return values.back();
}

bool Schedule::is_cut(size_t begin) const {
  for (size_t i = begin; i < sources_.size(); ++i) {
    for (const size_t source : sources_[i]) {
      const bool is_inside = source != kFromInput && source >= begin;
      if (!is_inside && source != begin - 1) return false;
    }
  }
  return true;
}

at::Tensor evaluate(const Network& network, const TensorMap& weights, const at::Tensor& x,
                    Mode mode) {
  check_weights(network, weights);
  return Schedule(network).run(x, [&](size_t i, std::span<const at::Tensor> inputs) {
    const Layer& layer = network.layers[i];
    return apply(layer, tensors_of(layer, weights), inputs, mode);
  });
}

}  // namespace tessera::nn
