#include "tessera/nn/convnet/builder.h"

namespace tessera::nn {

NetworkBuilder::NetworkBuilder(std::string name, Shape input)
    : network_{.name = std::move(name), .input = input} {}

NetworkBuilder& NetworkBuilder::from(const std::string& layer) {
  last_ = layer;
  return *this;
}

Layer& NetworkBuilder::append(const std::string& name, LayerKind kind) {
  network_.layers.push_back({.name = name, .kind = kind, .inputs = {last_}});
  last_ = name;
  return network_.layers.back();
}

NetworkBuilder& NetworkBuilder::conv(const std::string& name, int64_t out_channels, int64_t kernel,
                                     const ConvOptions& options) {
  Layer& layer = append(name, LayerKind::kConv);
  layer.out_channels = out_channels;
  layer.kernel = kernel;
  layer.stride = options.stride;
  layer.padding = options.padding;
  layer.dilation = options.dilation;
  layer.groups = options.groups;
  layer.has_bias = options.has_bias;
  return *this;
}

NetworkBuilder& NetworkBuilder::linear(const std::string& name, int64_t out_features,
                                       bool has_bias) {
  Layer& layer = append(name, LayerKind::kLinear);
  layer.out_channels = out_features;
  layer.has_bias = has_bias;
  return *this;
}

NetworkBuilder& NetworkBuilder::batch_norm(const std::string& name) {
  append(name, LayerKind::kBatchNorm);
  return *this;
}

NetworkBuilder& NetworkBuilder::relu(const std::string& name) {
  append(name, LayerKind::kActivation);
  return *this;
}

NetworkBuilder& NetworkBuilder::max_pool(const std::string& name, int64_t kernel, int64_t stride,
                                         int64_t padding) {
  Layer& layer = append(name, LayerKind::kMaxPool);
  layer.kernel = kernel;
  layer.stride = stride;
  layer.padding = padding;
  return *this;
}

NetworkBuilder& NetworkBuilder::avg_pool(const std::string& name, int64_t kernel, int64_t stride,
                                         int64_t padding) {
  max_pool(name, kernel, stride, padding);
  network_.layers.back().kind = LayerKind::kAvgPool;
  return *this;
}

NetworkBuilder& NetworkBuilder::adaptive_avg_pool(const std::string& name, int64_t output_size) {
  append(name, LayerKind::kAdaptiveAvgPool).output_size = output_size;
  return *this;
}

NetworkBuilder& NetworkBuilder::dropout(const std::string& name, double probability) {
  append(name, LayerKind::kDropout).probability = probability;
  return *this;
}

NetworkBuilder& NetworkBuilder::flatten(const std::string& name) {
  append(name, LayerKind::kFlatten);
  return *this;
}

NetworkBuilder& NetworkBuilder::add(const std::string& name, const std::string& other) {
  append(name, LayerKind::kAdd).inputs.push_back(other);
  return *this;
}

Network NetworkBuilder::build() const {
  infer_shapes(network_);
  return network_;
}

}  // namespace tessera::nn
