#include "tessera/systems/egnn/radial_field.h"

#include <torch/types.h>

namespace tessera::egnn {

RadialField::RadialField(const Config& config) : config_(config) {
  if (config.has_velocity) {
    coord_mlp_vel_ = register_module(
        "coord_mlp_vel", std::make_shared<Perceptron>(1, config.dim, 1, config.activation));
  }
  // The authors draw the last map first.
  torch::nn::Linear last = small_linear(config.dim);
  torch::nn::Linear first(1 + config.edge_dim, config.dim);
  phi_ = register_module("phi", std::make_shared<Perceptron>(first, last, config.activation));
}

at::Tensor RadialField::forward(const at::Tensor& x, const Graph& graph) const {
  const ops::EdgeList& edges = graph.edges;
  const at::Tensor diff_En = x.index_select(0, edges.row) - x.index_select(0, edges.col);
  // Unlike sqrt, vector_norm has the derivative 0 at 0.
  const at::Tensor r_E1 = at::linalg_vector_norm(diff_En, 2, 1, /*keepdim=*/true);
  at::Tensor edge_attr;
  if (graph.edge_attr) edge_attr = graph.edge_attr->index_select(0, edges.order);
  at::Tensor e_E1 = phi_->forward({r_E1, edge_attr});
  if (config_.tanh) e_E1 = e_E1.tanh();
  at::Tensor step_En = diff_En * e_E1;
  if (config_.clamp) step_En = step_En.clamp(-*config_.clamp, *config_.clamp);
  if (graph.weighs_steps) step_En = step_En * graph.edge_weight->index_select(0, edges.order);
  return mean_over_receivers(step_En, edges);
}

RadialFieldDynamics::RadialFieldDynamics(const EgnnConfig& config) : config_(config) {
  for (int64_t l = 0; l < config.num_layers; ++l) {
    layers_.push_back(register_module("gcl_" + std::to_string(l),
                                      std::make_shared<RadialField>(RadialField::Config{
                                          .dim = config.dim,
                                          .edge_dim = config.edge_in_dim,
                                          .activation = ops::activation_of(config.activation),
                                          .tanh = true,
                                          .has_velocity = true})));
  }
}

at::Tensor RadialFieldDynamics::forward(const at::Tensor& speed, const at::Tensor& x,
                                        const Graph& graph, const at::Tensor& vel) const {
  at::Tensor x_Nn = x;
  for (const auto& layer : layers_) {
    x_Nn = at::add(x_Nn, layer->forward(x_Nn, graph), config_.coord_weight);
    x_Nn = at::addcmul(x_Nn, layer->velocity_scale(speed), vel);
  }
  return x_Nn;
}

TensorMap RadialFieldDynamics::run(const TensorMap& inputs) {
  const GraphInputs in = read_graph(inputs, {.h_dim = 1,
                                             .coord_dim = config_.coord_dim,
                                             .edge_dim = config_.edge_in_dim,
                                             .vel = true,
                                             .like = layers_.front()->phi().weights().w1});
  return {{"x", forward(in.h, in.x, in.graph, in.vel)}};
}

}  // namespace tessera::egnn
