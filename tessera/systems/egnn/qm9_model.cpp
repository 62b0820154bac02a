#include "tessera/systems/egnn/qm9_model.h"

#include <torch/types.h>

#include "tessera/core/error.h"

namespace tessera::egnn {
namespace {

[[noreturn]] void refuse(const std::string& rule, const std::string& got, const char* next,
                         const char* id) {
  fail<InvalidArgument>({.where = "egnn", .rule = rule, .got = got, .next = next, .id = id});
}

}  // namespace

EgnnQm9::EgnnQm9(const EgnnConfig& config)
    : config_(config),
      embedding_(register_module("embedding", torch::nn::Linear(config.node_in_dim, config.dim))) {
  EgclConfig layer = EgclConfig::of(config);
  layer.node_attr_dim = config.node_attr ? config.node_in_dim : 0;
  layers_ = make_layers(*this, config.num_layers, layer);
  const int64_t dim = config.dim;
  node_dec_ = register_module("node_dec",
                              std::make_shared<Perceptron>(dim, dim, dim, layer.edge.activation));
  graph_dec_ = register_module("graph_dec",
                               std::make_shared<Perceptron>(dim, dim, 1, layer.edge.activation));
}

at::Tensor EgnnQm9::forward(const at::Tensor& h, const at::Tensor& x, const Graph& graph,
                            const at::Tensor& node_mask, int64_t num_nodes) const {
  const at::Tensor node_attr = config_.node_attr ? h : at::Tensor();
  Nodes nodes{.h = at::linear(h, embedding_->weight, embedding_->bias), .x = x};
  for (const auto& layer : layers_) nodes = layer->forward(nodes, graph, {}, node_attr);
  at::Tensor h_Nd = node_dec_->forward({nodes.h});
  if (node_mask.defined()) h_Nd = h_Nd * node_mask;
  const at::Tensor h_Bd = h_Nd.view({-1, num_nodes, config_.dim}).sum(1);
  return graph_dec_->forward({h_Bd}).squeeze(1);
}

TensorMap EgnnQm9::run(const TensorMap& inputs) {
  const GraphInputs in = read_graph(inputs, {.h_dim = config_.node_in_dim,
                                             .coord_dim = config_.coord_dim,
                                             .edge_dim = config_.edge_in_dim,
                                             .like = embedding_->weight});
  const int64_t num_slots = in.h.size(0);

  int64_t num_nodes = config_.num_nodes;
  if (const at::Tensor* given = inputs.find("num_nodes")) num_nodes = given->item<int64_t>();
  if (num_nodes == 0) num_nodes = std::max<int64_t>(num_slots, 1);
  if (num_nodes < 0 || num_slots % num_nodes != 0) {
    refuse(
        "the rows of h must be a multiple of the slots per molecule, " + std::to_string(num_nodes),
        std::to_string(num_slots), "Pad every molecule of the batch to the same slots.",
        "T-EGNN-17");
  }

  at::Tensor node_mask = inputs.get("node_mask");
  if (node_mask.defined()) {
    if (node_mask.numel() != num_slots) {
      refuse("node_mask needs one value for each of the " + std::to_string(num_slots) + " rows",
             c10::str("shape ", node_mask.sizes()), "", "T-EGNN-18");
    }
    node_mask = node_mask.reshape({-1, 1}).to(in.h.scalar_type());
  }
  return {{"pred", forward(in.h, in.x, in.graph, node_mask, num_nodes)}};
}

}  // namespace tessera::egnn
