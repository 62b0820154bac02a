#include "tessera/systems/egnn/gnn.h"

#include <torch/types.h>

#include "tessera/ops/egcl.h"

namespace tessera::egnn {

GnnLayer::GnnLayer(const Config& config) : config_(config) {
  const auto& [in_dim, out_dim, dim, edge_dim, residual, attention, act] = config;
  edge_mlp_ = register_module("edge_mlp",
                              std::make_shared<Perceptron>(2 * in_dim + edge_dim, dim, dim, act));
  if (attention) {
    att_mlp_ = register_module("att_mlp", std::make_shared<Perceptron>(in_dim, dim, 1, act));
  }
  node_mlp_ =
      register_module("node_mlp", std::make_shared<Perceptron>(dim + in_dim, dim, out_dim, act));
}

at::Tensor GnnLayer::forward(const at::Tensor& h, const Graph& graph) const {
  std::optional<at::Tensor> edge_weight = graph.edge_weight;
  if (att_mlp_) {
    // In the order of edge_index, as the operator reads its weights.
    const at::Tensor h_i = h.index_select(0, graph.edge_index[0]);
    const at::Tensor h_j = h.index_select(0, graph.edge_index[1]);
    const at::Tensor gate = att_mlp_->forward({(h_i - h_j).abs()}).sigmoid();
    edge_weight = edge_weight ? gate * *edge_weight : gate;
  }
  const ops::PerceptronWeights phi_e = edge_mlp_->weights();
  const at::Tensor agg =
      ops::egcl(
          h, std::nullopt, graph.edges, graph.edge_attr, edge_weight,
          {.edge_w1 = phi_e.w1, .edge_b1 = phi_e.b1, .edge_w2 = phi_e.w2, .edge_b2 = phi_e.b2},
          {.activation = config_.activation})
          .agg;
  return node_mlp_->forward({h, agg}, config_.residual);
}

Gnn::Gnn(const EgnnConfig& config) : config_(config) {
  const int64_t dim = config.dim;
  const ops::Activation act = ops::activation_of(config.activation);
  for (int64_t l = 0; l < config.num_layers; ++l) {
    layers_.push_back(
        register_module("gcl_" + std::to_string(l),
                        std::make_shared<GnnLayer>(GnnLayer::Config{.in_dim = dim,
                                                                    .out_dim = dim,
                                                                    .dim = dim,
                                                                    .edge_dim = config.edge_in_dim,
                                                                    .residual = config.residual,
                                                                    .attention = config.attention,
                                                                    .activation = act})));
  }
  decoder_ =
      register_module("decoder", std::make_shared<Perceptron>(dim, dim, config.node_out_dim, act));
  embedding_ = register_module(
      "embedding", std::make_shared<Single>(torch::nn::Linear(config.node_in_dim, dim)));
}

at::Tensor Gnn::forward(const at::Tensor& h, const Graph& graph) const {
  at::Tensor h_Nd = at::linear(h, embedding_->linear().weight, embedding_->linear().bias);
  for (const auto& layer : layers_) h_Nd = layer->forward(h_Nd, graph);
  return decoder_->forward({h_Nd});
}

TensorMap Gnn::run(const TensorMap& inputs) {
  const GraphInputs in = read_graph(inputs, {.h_dim = config_.node_in_dim,
                                             .edge_dim = config_.edge_in_dim,
                                             .like = embedding_->linear().weight});
  return {{"x", forward(in.h, in.graph)}};
}

}  // namespace tessera::egnn
