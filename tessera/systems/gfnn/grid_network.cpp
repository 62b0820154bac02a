#include "tessera/systems/gfnn/grid_network.h"

#include <ATen/ATen.h>

#include <string>

#include "tessera/systems/gfnn/layers.h"

namespace tessera::gfnn {

GridNetwork::GridNetwork(const GfnnConfig& config) : config_(config), grid_(config.grid()) {
  const std::vector<int64_t> dims = config.dims();
  const auto list = register_module("layers", std::make_shared<Layers>());
  for (size_t l = 0; l + 1 < dims.size(); ++l) {
    layers_.push_back(
        list->add(std::to_string(l),
                  std::make_shared<nn::GridLinear>(dims[l], dims[l + 1], grid_, /*has_bias=*/true,
                                                   /*is_shared=*/config.init == "shared")));
  }
}

at::Tensor GridNetwork::apply(const at::Tensor& x, const ops::NodeWeights& n,
                              const TensorMap& inputs) {
  const Dropout drop{config_.dropout, is_training() && draws_noise(), &inputs};
  at::Tensor a = x;
  for (size_t l = 0; l < layers_.size(); ++l) {
    const at::Tensor z = layers_[l]->forward(drop(a, static_cast<int64_t>(l)), n);
    a = l + 1 < layers_.size() ? activate(z, config_.activation) : z;
  }
  return a;
}

at::Tensor GridNetwork::forward(const at::Tensor& x, const at::Tensor& g) {
  return apply(x, ops::grid_weights(g, grid_), {});
}

TensorMap GridNetwork::run(const TensorMap& inputs) {
  const at::Tensor& x = checked_x(inputs, config_.in_dim);
  const at::Tensor& g = checked_g(inputs, static_cast<int64_t>(grid_.axes.size()), x);
  if (can_play(x, g)) return {{"y", play(x, g)}};
  const ops::NodeWeights n = ops::grid_weights(g, grid_);
  TensorMap outputs = {{"y", apply(x, n, inputs)}};
  if (config_.return_node_weights) {
    std::vector<int64_t> sizes = grid_.sizes();
    sizes.insert(sizes.begin(), x.size(0));
    outputs.set("node_weights", ops::dense_weights(n, grid_.nodes()).view(sizes));
  }
  return outputs;
}

std::shared_ptr<GridNetwork> GridNetwork::refine(int64_t axis) const {
  const ops::Grid finer = nn::refine_grid(grid_, axis);
  GfnnConfig config = config_;
  config.grid_sizes = finer.sizes();
  const auto network = std::make_shared<GridNetwork>(config);
  const at::NoGradGuard no_grad;
  for (size_t l = 0; l < layers_.size(); ++l) {
    network->layers_[l]->weight.set_data(nn::refine_nodes(layers_[l]->weight, grid_, axis));
    network->layers_[l]->bias.set_data(nn::refine_nodes(layers_[l]->bias, grid_, axis));
  }
  network->train(is_training());
  return network;
}

// ---- One sample at a time -----------------------------------------------------------------------

GridPlayer GridNetwork::player(double reach) const {
  const auto copy = [](const at::Tensor& parameter) {
    const at::Tensor values = parameter.detach().to(at::kCPU, at::kFloat).contiguous();
    const float* data = values.const_data_ptr<float>();
    return std::vector<float>(data, data + values.numel());
  };
  std::vector<GridPlayer::Layer> layers;
  for (const auto& layer : layers_) {
    layers.push_back(
        {layer->weight.size(-1), layer->weight.size(-2), copy(layer->weight), copy(layer->bias)});
  }
  return {grid_, std::move(layers), config_.activation, reach};
}

bool GridNetwork::can_play(const at::Tensor& x, const at::Tensor& g) const {
  const auto is_plain = [](const at::Tensor& t) {
    return t.is_cpu() && t.scalar_type() == at::kFloat && t.is_contiguous();
  };
  const bool drops = is_training() && config_.dropout > 0;
  return config_.cache_reach && !config_.return_node_weights && x.size(0) == 1 && !drops &&
         !at::GradMode::is_enabled() && is_plain(x) && is_plain(g) &&
         is_plain(layers_.front()->weight);
}

int64_t GridNetwork::weights_version() const {
  int64_t version = 0;
  for (const auto& layer : layers_) {
    version += static_cast<int64_t>(layer->weight._version() + layer->bias._version());
  }
  return version;
}

at::Tensor GridNetwork::play(const at::Tensor& x, const at::Tensor& g) {
  if (const int64_t version = weights_version(); !player_ || version != player_version_) {
    player_ = std::make_unique<GridPlayer>(player(*config_.cache_reach));
    player_version_ = version;
  }
  const at::Tensor y = at::empty({1, config_.out_dim}, x.options());
  const auto span = [](const at::Tensor& t) {
    return std::span(t.const_data_ptr<float>(), static_cast<size_t>(t.numel()));
  };
  player_->frame(span(x), span(g), {y.mutable_data_ptr<float>(), static_cast<size_t>(y.numel())});
  return y;
}

}  // namespace tessera::gfnn
