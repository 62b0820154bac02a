#include "tessera/systems/egnn/egcl_layer.h"

#include <torch/types.h>

namespace tessera::egnn {

EgclConfig EgclConfig::of(const EgnnConfig& config) {
  return {.in_dim = config.dim,
          .out_dim = config.dim,
          .dim = config.dim,
          .edge_dim = config.edge_in_dim,
          .coord_dim = config.coord_dim,
          .residual = config.residual,
          .attention = config.attention,
          .update_coords = config.update_coords,
          .coord_weight = config.coord_weight,
          .edge = {.activation = ops::activation_of(config.activation),
                   .coord_norm = ops::coord_norm_of(config.coord_norm),
                   .coord_tanh = config.coord_tanh,
                   .coord_mean = config.coord_agg == "mean",
                   .coord_clamp = config.coord_clamp}};
}

Egcl::Egcl(const EgclConfig& config) : config_(config) {
  const int64_t dim = config.dim, in_dim = config.in_dim;
  const ops::Activation act = config.edge.activation;
  edge_mlp_ = register_module(
      "edge_mlp", std::make_shared<Perceptron>(2 * in_dim + 1 + config.edge_dim, dim, dim, act));
  node_mlp_ = register_module(
      "node_mlp",
      std::make_shared<Perceptron>(in_dim + dim + config.node_attr_dim, dim, config.out_dim, act));
  // The authors draw the head's last map first, and draw both where coordinates stay fixed too.
  torch::nn::Linear head_last = small_linear(dim);
  torch::nn::Linear head_first(dim, dim);
  if (config.update_coords) {
    coord_mlp_ =
        register_module("coord_mlp", std::make_shared<Perceptron>(head_first, head_last, act));
  }
  if (config.attention) {
    att_mlp_ = register_module("att_mlp", std::make_shared<Single>(torch::nn::Linear(dim, 1)));
  }
  if (config.has_velocity) {
    coord_mlp_vel_ =
        register_module("coord_mlp_vel", std::make_shared<Perceptron>(in_dim, dim, 1, act));
  }
}

ops::EgclResult Egcl::edge_pass(const Nodes& nodes, const Graph& graph) const {
  const ops::PerceptronWeights phi_e = edge_mlp_->weights();
  ops::EgclWeights weights{
      .edge_w1 = phi_e.w1, .edge_b1 = phi_e.b1, .edge_w2 = phi_e.w2, .edge_b2 = phi_e.b2};
  if (att_mlp_) {
    weights.att_w = att_mlp_->linear().weight;
    weights.att_b = att_mlp_->linear().bias;
  }
  if (coord_mlp_) {
    const ops::PerceptronWeights phi_x = coord_mlp_->weights();
    weights.coord_w1 = phi_x.w1;
    weights.coord_b1 = phi_x.b1;
    weights.coord_w2 = phi_x.w2;
  }
  ops::EgclOptions options = config_.edge;
  options.weigh_coords = graph.weighs_steps;
  return ops::egcl(nodes.h, nodes.x, graph.edges, graph.edge_attr, graph.edge_weight, weights,
                   options);
}

at::Tensor Egcl::moved(const Nodes& nodes, const at::Tensor& x_delta, const at::Tensor& vel) const {
  at::Tensor x = nodes.x;
  if (coord_mlp_) x = at::add(x, x_delta, config_.coord_weight);
  if (coord_mlp_vel_) x = at::addcmul(x, coord_mlp_vel_->forward({nodes.h}), vel);
  return x;
}

Nodes Egcl::forward(const Nodes& nodes, const Graph& graph, const at::Tensor& vel,
                    const at::Tensor& node_attr) const {
  const auto [agg, x_delta] = edge_pass(nodes, graph);
  return {.h = node_mlp_->forward({nodes.h, agg, node_attr}, config_.residual),
          .x = moved(nodes, x_delta, vel)};
}

at::Tensor Egcl::forward_coords(const Nodes& nodes, const Graph& graph,
                                const at::Tensor& vel) const {
  return moved(nodes, edge_pass(nodes, graph).x_delta, vel);
}

TensorMap Egcl::run(const TensorMap& inputs) {
  const GraphInputs in = read_graph(inputs, {.h_dim = config_.in_dim,
                                             .coord_dim = config_.coord_dim,
                                             .edge_dim = config_.edge_dim,
                                             .vel = config_.has_velocity,
                                             .like = edge_mlp_->weights().w1});
  Nodes nodes = forward({in.h, in.x}, in.graph, in.vel);
  return {{"h", nodes.h}, {"x", nodes.x}};
}

std::vector<std::shared_ptr<Egcl>> make_layers(torch::nn::Module& parent, int64_t num_layers,
                                               const EgclConfig& config) {
  std::vector<std::shared_ptr<Egcl>> layers;
  for (int64_t l = 0; l < num_layers; ++l) {
    layers.push_back(
        parent.register_module("gcl_" + std::to_string(l), std::make_shared<Egcl>(config)));
  }
  return layers;
}

}  // namespace tessera::egnn
