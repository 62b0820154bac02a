#include "tessera/systems/egnn/egnn_model.h"

#include <torch/types.h>

namespace tessera::egnn {

Egnn::Egnn(const EgnnConfig& config)
    : config_(config),
      embedding_in_(
          register_module("embedding_in", torch::nn::Linear(config.node_in_dim, config.dim))),
      embedding_out_(
          register_module("embedding_out", torch::nn::Linear(config.dim, config.node_out_dim))),
      layers_(make_layers(*this, config.num_layers, EgclConfig::of(config))) {}

Nodes Egnn::forward(const at::Tensor& h, const at::Tensor& x, const Graph& graph) const {
  Nodes nodes{.h = at::linear(h, embedding_in_->weight, embedding_in_->bias), .x = x};
  for (const auto& layer : layers_) nodes = layer->forward(nodes, graph);
  nodes.h = at::linear(nodes.h, embedding_out_->weight, embedding_out_->bias);
  return nodes;
}

TensorMap Egnn::run(const TensorMap& inputs) {
  const GraphInputs in = read_graph(inputs, {.h_dim = config_.node_in_dim,
                                             .coord_dim = config_.coord_dim,
                                             .edge_dim = config_.edge_in_dim,
                                             .like = embedding_in_->weight});
  const Nodes nodes = forward(in.h, in.x, in.graph);
  return {{"h", nodes.h}, {"x", nodes.x}};
}

EgnnDynamics::EgnnDynamics(const EgnnConfig& config)
    : config_(config),
      embedding_(register_module("embedding", torch::nn::Linear(config.node_in_dim, config.dim))) {
  EgclConfig layer = EgclConfig::of(config);
  layer.has_velocity = config.architecture == "egnn_vel";
  layers_ = make_layers(*this, config.num_layers, layer);
}

at::Tensor EgnnDynamics::forward(const at::Tensor& h, const at::Tensor& x, const Graph& graph,
                                 const at::Tensor& vel) const {
  Nodes nodes{.h = at::linear(h, embedding_->weight, embedding_->bias), .x = x};
  for (size_t l = 0; l + 1 < layers_.size(); ++l) nodes = layers_[l]->forward(nodes, graph, vel);
  return layers_.back()->forward_coords(nodes, graph, vel);
}

TensorMap EgnnDynamics::run(const TensorMap& inputs) {
  const GraphInputs in = read_graph(inputs, {.h_dim = config_.node_in_dim,
                                             .coord_dim = config_.coord_dim,
                                             .edge_dim = config_.edge_in_dim,
                                             .vel = config_.architecture == "egnn_vel",
                                             .like = embedding_->weight});
  return {{"x", forward(in.h, in.x, in.graph, in.vel)}};
}

}  // namespace tessera::egnn
