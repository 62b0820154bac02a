#include "tessera/systems/egnn/autoencoder.h"

#include <torch/types.h>

#include "tessera/core/error.h"

namespace tessera::egnn {
namespace {

void check_adjacency(const at::Tensor& adj) {
  const auto refuse = [&](const std::string& got) {
    fail<InvalidArgument>({.where = "egnn",
                           .rule = "adj must be a square, symmetric matrix of 0 and 1 without self "
                                   "loops",
                           .got = got,
                           .next = "One undirected graph at a time.",
                           .id = "T-EGNN-16"});
  };
  if (adj.dim() != 2 || adj.size(0) != adj.size(1)) refuse(c10::str("shape ", adj.sizes()));
  const at::NoGradGuard no_grad;
  if (!at::equal(adj * adj, adj)) refuse("other values");
  if (!at::equal(adj, adj.t())) refuse("an asymmetric one");
  if (adj.diagonal().any().item<bool>()) refuse("a self loop");
}

/// (z_i - z_j)² by axis: (n, n, K). From differences: the expanded form loses digits.
at::Tensor squared_differences(const at::Tensor& z) {
  return (z.unsqueeze(0) - z.unsqueeze(1)).square();
}

/// From the first input that has a row for each node.
int64_t count_nodes(const TensorMap& inputs) {
  for (const char* name : {"adj", "h", "noise_coords", "noise_h"}) {
    const at::Tensor* given = inputs.find(name);
    if (given && given->dim() > 0) return given->size(0);
  }
  return inputs.at("adj").size(0);
}

at::Tensor without_diagonal(const at::Tensor& adj) {
  return adj.masked_fill(at::eye(adj.size(0), adj.options().dtype(at::kBool)), 0);
}

}  // namespace

Autoencoder::Reconstruction Autoencoder::forward(const Nodes& start, const Graph& graph) const {
  const at::Tensor z = encode(start, graph);
  return {.adj_pred = without_diagonal(decode(z)), .z = z};
}

at::Tensor Autoencoder::noise(const TensorMap& inputs, const std::string& name, int64_t num_nodes,
                              int64_t width) const {
  const at::Tensor* given = inputs.find(name);
  if (!given) return at::randn({num_nodes, width}, like().options());
  check_rows(*given, name, num_nodes, width, like());
  return *given;
}

at::Tensor Autoencoder::ones(const TensorMap& inputs, int64_t num_nodes) const {
  const at::Tensor* given = inputs.find("h");
  if (!given) return at::ones({num_nodes, 1}, like().options());
  check_rows(*given, "h", num_nodes, 1, like());
  return *given;
}

TensorMap Autoencoder::run(const TensorMap& inputs) {
  const at::Tensor& like = this->like();
  at::Tensor adj = inputs.get("adj");
  if (adj.defined()) {
    check_adjacency(adj);
    adj = adj.to(like.device(), like.scalar_type());
  }
  const int64_t num_nodes = count_nodes(inputs);
  const Nodes nodes = start(inputs, num_nodes);

  at::Tensor edge_index = inputs.get("edge_index"), edge_attr = inputs.get("edge_attr");
  if (!edge_index.defined()) edge_index = complete_edges(num_nodes, like.device());
  if (!edge_attr.defined() && adj.defined()) {
    edge_attr = at::index(adj, {edge_index[0], edge_index[1]}).unsqueeze(1);
  }
  const Graph graph = check_graph(edge_index, num_nodes, edge_attr, {}, inputs.get("edge_weight"),
                                  config_.edge_in_dim, like);

  const auto [adj_pred, z] = forward(nodes, graph);
  TensorMap outputs{{"adj_pred", adj_pred}, {"z", z}};
  if (adj.defined()) {
    outputs.set("bce", at::binary_cross_entropy(adj_pred, adj, {}, at::Reduction::Sum));
  }
  return outputs;
}

DistanceDecoder::DistanceDecoder(torch::nn::Module& parent)
    : w_(parent.register_parameter("w", at::full({1}, -0.1))),
      b_(parent.register_parameter("b", at::ones({1}))) {}

at::Tensor DistanceDecoder::forward(const at::Tensor& z) const {
  return at::addcmul(b_, w_, squared_differences(z).sum(-1)).sigmoid();
}

namespace {

std::vector<std::shared_ptr<Egcl>> egnn_encoder(torch::nn::Module& parent,
                                                const EgnnConfig& config) {
  EgclConfig layer = EgclConfig::of(config);
  layer.coord_dim = config.latent_dim;
  layer.residual = true;
  EgclConfig first = layer;
  first.in_dim = 1;
  first.residual = false;
  std::vector<std::shared_ptr<Egcl>> layers;
  for (int64_t l = 0; l < config.num_layers; ++l) {
    layers.push_back(parent.register_module("gcl_" + std::to_string(l),
                                            std::make_shared<Egcl>(l == 0 ? first : layer)));
  }
  return layers;
}

}  // namespace

EgnnAutoencoder::EgnnAutoencoder(const EgnnConfig& config)
    : Autoencoder(config), layers_(egnn_encoder(*this, config)), decoder_(*this) {}

Nodes EgnnAutoencoder::start(const TensorMap& inputs, int64_t num_nodes) const {
  return {.h = ones(inputs, num_nodes),
          .x = noise(inputs, "noise_coords", num_nodes, config_.latent_dim)};
}

at::Tensor EgnnAutoencoder::encode(const Nodes& start, const Graph& graph) const {
  const double kept = 1 - config_.coord_reg;
  Nodes nodes = start;
  for (size_t l = 0; l + 1 < layers_.size(); ++l) {
    nodes = layers_[l]->forward(nodes, graph);
    nodes.x = nodes.x * kept;
  }
  return layers_.back()->forward_coords(nodes, graph) * kept;
}

GnnAutoencoder::GnnAutoencoder(const EgnnConfig& config) : Autoencoder(config) {
  for (int64_t l = 0; l < config.num_layers; ++l) {
    const bool is_first = l == 0;
    layers_.push_back(register_module(
        "gcl_" + std::to_string(l),
        std::make_shared<GnnLayer>(GnnLayer::Config{
            .in_dim = is_first ? std::max<int64_t>(1, config.noise_dim) : config.dim,
            .out_dim = config.dim,
            .dim = config.dim,
            .edge_dim = config.edge_in_dim,
            .residual = !is_first,
            .attention = config.attention,
            .activation = ops::activation_of(config.activation)})));
  }
  fc_emb_ = register_module("fc_emb", torch::nn::Linear(config.dim, config.latent_dim));
  if (config.learnable_decoder) {
    fc_dec_ = register_module("fc_dec", torch::nn::Linear(config.latent_dim, 1));
  }
}

Nodes GnnAutoencoder::start(const TensorMap& inputs, int64_t num_nodes) const {
  return {.h = config_.noise_dim > 0 ? noise(inputs, "noise_h", num_nodes, config_.noise_dim)
                                     : ones(inputs, num_nodes)};
}

at::Tensor GnnAutoencoder::encode(const Nodes& start, const Graph& graph) const {
  at::Tensor h = start.h;
  for (const auto& layer : layers_) h = layer->forward(h, graph);
  return at::linear(h, fc_emb_->weight, fc_emb_->bias);
}

at::Tensor GnnAutoencoder::decode(const at::Tensor& z) const {
  const at::Tensor diff2_nnK = squared_differences(z);
  if (!fc_dec_) return (10 * diff2_nnK.sum(-1) - 1).sigmoid();
  return at::linear(diff2_nnK, fc_dec_->weight, fc_dec_->bias).squeeze(-1).sigmoid();
}

namespace {

std::vector<std::shared_ptr<RadialField>> radial_field_encoder(torch::nn::Module& parent,
                                                               const EgnnConfig& config) {
  const ops::Activation act = ops::activation_of(config.activation);
  // A layer that the authors' class builds, draws and stores but never runs.
  parent.register_module("gcl", std::make_shared<RadialField>(RadialField::Config{
                                    .dim = config.dim, .edge_dim = 0, .activation = act}));
  std::vector<std::shared_ptr<RadialField>> layers;
  for (int64_t l = 0; l < config.num_layers; ++l) {
    layers.push_back(parent.register_module(
        "gcl_" + std::to_string(l),
        std::make_shared<RadialField>(RadialField::Config{.dim = config.dim,
                                                          .edge_dim = config.edge_in_dim,
                                                          .activation = act,
                                                          .clamp = config.coord_clamp})));
  }
  return layers;
}

}  // namespace

RadialFieldAutoencoder::RadialFieldAutoencoder(const EgnnConfig& config)
    : Autoencoder(config), layers_(radial_field_encoder(*this, config)), decoder_(*this) {}

Nodes RadialFieldAutoencoder::start(const TensorMap& inputs, int64_t num_nodes) const {
  return {.x = noise(inputs, "noise_coords", num_nodes, config_.latent_dim)};
}

at::Tensor RadialFieldAutoencoder::encode(const Nodes& start, const Graph& graph) const {
  at::Tensor x = start.x;
  for (const auto& layer : layers_) x = x * (1 - config_.coord_reg) + layer->forward(x, graph);
  return x;
}

}  // namespace tessera::egnn
