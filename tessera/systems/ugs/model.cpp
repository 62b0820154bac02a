#include "tessera/systems/ugs/model.h"

#include <torch/types.h>

#include <cmath>

#include "tessera/core/error.h"
#include "tessera/systems/ugs/refuse.h"

namespace tessera::ugs {
namespace {

// Beyond this the dense propagation matrix is an output that nobody asked for.
constexpr int64_t kLargestDense = 512;

void xavier(const at::Tensor& weight) {
  const at::NoGradGuard no_grad;
  const auto fans = static_cast<double>(weight.size(-1) + weight.size(-2));
  const double bound = std::sqrt(6 / fans);
  at::Tensor(weight).uniform_(-bound, bound);
}

/// torch's rule for the three axes of a bilinear form (out, d, d).
void xavier_bilinear(const at::Tensor& weight) {
  const at::NoGradGuard no_grad;
  const int64_t field = weight.size(2);
  const auto fans = static_cast<double>((weight.size(0) + weight.size(1)) * field);
  const double bound = std::sqrt(6 / fans);
  at::Tensor(weight).uniform_(-bound, bound);
}

}  // namespace

UgsModel::UgsModel(const UgsConfig& config) : config_(config) {
  if (config.model != "resgcn" && config.dims.empty()) {
    refuse("dims needs the widths of the network", "none", "T-UGS-04");
  }
  network_ = make_network(config);
  if (config.num_edges > 0) {
    edges_.soft =
        network_->register_parameter(edge_soft_name(config), torch::ones({config.num_edges}));
    edges_.hard =
        network_->register_buffer(edge_hard_name(config), torch::ones({config.num_edges}));
    edges_.product = std::make_shared<MaskedProduct>(at::Tensor(), edges_.soft, edges_.hard);
  }
  if (config.is_link_prediction() && config.model != "resgcn") {
    const int64_t width = config.dims.back();
    for (const MaskedWeight& weight : network_->masked_weights()) xavier(weight.weight);
    register_module("gcn", network_);
    torch::nn::Module& form = module_at(*this, "disc.f_k");
    bilinear_weight_ = form.register_parameter("weight", torch::empty({1, width, width}));
    bilinear_bias_ = form.register_parameter("bias", torch::zeros({1}));
    xavier_bilinear(bilinear_weight_);
    // Fixed at construction; the authors keep them out of the state dict.
    centres_ = register_buffer("centres", torch::rand({config.num_clusters, width}));
    return;
  }
  // The network's own names are the authors': it lies at the root.
  for (const auto& item : network_->named_children()) register_module(item.key(), item.value());
  for (const auto& item : network_->named_parameters(/*recurse=*/false)) {
    register_parameter(item.key(), item.value());
  }
  for (const auto& item : network_->named_buffers(/*recurse=*/false)) {
    register_buffer(item.key(), item.value());
  }
}

Masks UgsModel::masks() const {
  return {
      .weights = network_->masked_weights(), .edge_soft = edges_.soft, .edge_hard = edges_.hard};
}

std::string UgsModel::edge_weight_input() const {
  const bool takes_any = config_.model == "gcn" || config_.model == "gin";
  return takes_any && config_.num_edges == 0 ? "edge_mask_train" : "";
}

void UgsModel::set_masks_trained(bool trained) {
  const Masks it = masks();
  for (const MaskedWeight& weight : it.weights) at::Tensor(weight.soft).requires_grad_(trained);
  if (it.edge_soft.defined()) at::Tensor(it.edge_soft).requires_grad_(trained);
}

const MaskedProducts& UgsModel::take_products() {
  if (!products_.empty()) return products_;
  // Without edges to mask the weights' masks are trained without a penalty.
  const bool has_penalty = edges_.product != nullptr;
  const auto take = [&](const std::shared_ptr<MaskedProduct>& product, double l1) {
    product->take(has_penalty ? l1 : 0);
    products_.push_back(product);
  };
  if (edges_.product) take(edges_.product, config_.graph_l1);
  for (const MaskedWeight& weight : network_->masked_weights()) {
    take(weight.product, config_.weight_l1);
  }
  return products_;
}

at::Tensor UgsModel::l1() const {
  const Masks it = masks();
  at::Tensor sum =
      at::zeros({}, it.edge_hard.defined() ? it.edge_hard.options() : it.weights[0].hard.options());
  if (it.edge_soft.defined()) sum = sum + config().graph_l1 * it.edge_soft.abs().sum();
  for (const MaskedWeight& weight : it.weights) {
    sum = sum + config().weight_l1 * weight.soft.abs().sum();
  }
  return sum;
}

bool UgsModel::is_training_forward() const {
  return config_.training.is_boolean() ? config_.training.get<bool>() : is_training();
}

bool UgsModel::drops() const { return is_training_forward() && draws_noise(); }

at::Tensor UgsModel::forward(const Features& x, const Graph& graph, const EdgeMasks& masks) {
  network_->train(is_training_forward());
  if (x.num_nodes() != graph.num_nodes) {
    refuse("x has a row for each of " + std::to_string(graph.num_nodes) + " nodes",
           std::to_string(x.num_nodes()), "T-UGS-16");
  }
  return network_->forward(x, graph, masks.effective(), masks.hard, drops());
}

Contrast UgsModel::contrast(const at::Tensor& real, const Features& x, const Graph& graph,
                            const EdgeMasks& masks, const at::Tensor& permutation,
                            const at::Tensor& centres) {
  const at::Tensor permuted = forward(x.permuted(permutation), graph, masks);
  return ugs::contrast(real, permuted, centres, bilinear_weight_, bilinear_bias_, config_);
}

Features UgsModel::features_of(const TensorMap& inputs) {
  if (const at::Tensor* indptr = inputs.find("x_indptr")) {
    const at::Tensor& values = inputs.at("x_values");
    if (!values.is_same(seen_values_)) {
      const int64_t width = config_.model == "resgcn" ? config_.input_dim : config_.dims[0];
      seen_features_ = Features::of_rows(*indptr, inputs.at("x_columns"), values, width);
      seen_values_ = values;
    }
    return seen_features_;
  }
  const at::Tensor& x = inputs.at("x");
  if (x.dim() != 2) refuse("x must be of shape (N, F)", c10::str(x.sizes()), "T-UGS-17");
  const int64_t width = config_.model != "resgcn" ? config_.dims[0]
                        : config_.input_dim > 0   ? config_.input_dim
                                                  : config_.hidden_dim;
  if (x.size(1) != width) {
    refuse("x has " + std::to_string(width) + " features", std::to_string(x.size(1)), "T-UGS-17");
  }
  if (!x.detach().isfinite().all().item<bool>()) {
    refuse("every feature is finite", "NaN or infinity", "T-UGS-18");
  }
  return {x};
}

Graph UgsModel::graph_of(const TensorMap& inputs) {
  const int64_t nodes = config_.num_nodes > 0  ? config_.num_nodes
                        : inputs.contains("x") ? inputs.at("x").size(0)
                                               : inputs.at("x_indptr").numel() - 1;
  const at::Tensor& edges = inputs.at("edge_index");
  if (edges.is_same(seen_edges_)) return seen_graph_;
  // GAT's and ResGCN's lists end with self-loops that may have been there before.
  const bool may_repeat = config_.model == "gat" || config_.model == "resgcn";
  seen_graph_ = make_graph(edges, nodes, may_repeat);
  seen_edges_ = edges;
  return seen_graph_;
}

EdgeMasks UgsModel::masks_of(const TensorMap& inputs, const at::Tensor& like) const {
  const int64_t edges = inputs.at("edge_index").size(1);
  const auto mask = [&](const char* name, const at::Tensor& own) {
    const at::Tensor* given = inputs.find(name);
    const at::Tensor mask = given ? given->reshape({-1})
                            : own.defined()
                                ? own
                                : at::ones({edges}, like.options().requires_grad(false));
    if (mask.numel() != edges) {
      refuse(std::string(name) + " has a value for each of " + std::to_string(edges) + " edges",
             std::to_string(mask.numel()), "T-UGS-19");
    }
    return mask;
  };
  const bool is_own = !inputs.contains("edge_mask_train") && !inputs.contains("edge_mask_fixed");
  return {.soft = mask("edge_mask_train", edges_.soft),
          .hard = mask("edge_mask_fixed", edges_.hard),
          .product = is_own ? edges_.product : nullptr};
}

TensorMap UgsModel::run(const TensorMap& inputs) {
  const Features x = features_of(inputs);
  const Graph graph = graph_of(inputs);
  const at::Tensor& like = inputs.contains("x") ? inputs.at("x") : inputs.at("x_values");
  const EdgeMasks masks = masks_of(inputs, like);
  const at::Tensor out = forward(x, graph, masks);
  TensorMap outputs;
  if (is_training() && products_.empty() && edges_.soft.defined() && edges_.soft.requires_grad()) {
    outputs.set("l1", l1());
  }
  if (config_.is_link_prediction() && config_.model != "resgcn") {
    add_link_outputs(outputs, inputs, out, x, graph, masks);
    return outputs;
  }
  outputs.set(config_.model == "resgcn" && config_.num_classes > 0 ? "log_probs" : "logits", out);
  if (config_.model == "gcn" && graph.num_nodes <= kLargestDense) {
    outputs.set("propagation", propagation_matrix(graph, masks.effective()));
  }
  if (inputs.contains("labels") && inputs.contains("train_idx")) {
    outputs.set("train_loss", cross_entropy(out, inputs.at("labels"), inputs.at("train_idx")));
  }
  return outputs;
}

void UgsModel::add_link_outputs(TensorMap& outputs, const TensorMap& inputs,
                                const at::Tensor& embedding, const Features& x, const Graph& graph,
                                const EdgeMasks& masks) {
  outputs.set("embedding", embedding);
  const at::Tensor* centres = inputs.find("cluster_init");
  if (const at::Tensor* permutation = inputs.find("permutation")) {
    const Contrast it =
        contrast(embedding, x, graph, masks, *permutation, centres ? *centres : centres_);
    outputs.merge({{"loss", it.loss},
                   {"logits_global", it.logits_global},
                   {"logits_cluster", it.logits_cluster},
                   {"cluster_means", it.clusters.centres},
                   {"cluster_readout", it.readout}});
  }
  if (inputs.contains("positive_edges") && inputs.contains("negative_edges")) {
    const at::Tensor positive = pair_scores(embedding, inputs.at("positive_edges"));
    const at::Tensor negative = pair_scores(embedding, inputs.at("negative_edges"));
    outputs.set("positive_scores", positive);
    outputs.set("negative_scores", negative);
    outputs.set("auc_ap",
                at::tensor({roc_auc(positive, negative), average_precision(positive, negative)},
                           embedding.options().requires_grad(false)));
  }
}

at::Tensor cross_entropy(const at::Tensor& logits, const at::Tensor& labels,
                         const at::Tensor& index) {
  if (index.numel() == 0) refuse("the loss needs a node to train on", "none", "T-UGS-20");
  const at::Tensor chosen = labels.index_select(0, index);
  const int64_t least = chosen.min().item<int64_t>(), most = chosen.max().item<int64_t>();
  if (least < 0 || most >= logits.size(1)) {
    refuse("labels are classes of [0, " + std::to_string(logits.size(1)) + ")",
           std::to_string(least < 0 ? least : most), "T-UGS-21");
  }
  return at::cross_entropy_loss(logits.index_select(0, index), chosen);
}

}  // namespace tessera::ugs
