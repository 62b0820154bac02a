#include "tessera/systems/ugs/network.h"

#include <torch/types.h>

#include <optional>

#include "tessera/ops/product.h"
#include "tessera/ops/relu_dropout.h"

namespace tessera::ugs {
namespace {

/// The graph without the edges whose hard mask is 0, and their masks with it.
std::pair<Graph, at::Tensor> without_removed(const Graph& graph, const at::Tensor& mask,
                                             const at::Tensor& hard) {
  const at::Tensor kept = hard.nonzero().squeeze(-1);
  if (kept.numel() == hard.numel()) return {graph, mask};
  return {only_edges(graph, kept), mask.index_select(0, kept)};
}

/// PReLU's one slope, of the link encoders.
at::Tensor add_slope(torch::nn::Module& owner, const std::string& path) {
  return module_at(owner, path).register_parameter("weight", torch::full({1}, 0.25));
}

/// ── GCN: x ← W (P x), ReLU and dropout after every layer but the last. The link encoder has no
/// activation between its layers, and PReLU after the last.
class Gcn final : public Network {
 public:
  explicit Gcn(const UgsConfig& config) : config_(config) {
    for (int64_t l = 0; l < config.layers(); ++l) {
      const auto at = static_cast<size_t>(l);
      layers_.push_back(add_weight("net_layer." + std::to_string(l), config.dims[at + 1],
                                   config.dims[at], config.is_masked(l)));
    }
    if (config.is_link_prediction()) slope_ = add_slope(*this, "act");
  }

  at::Tensor forward(const Features& x, const Graph& graph, const at::Tensor& mask,
                     const at::Tensor& hard, bool drops) override {
    if (config_.edge_mask_mode == "remove") {
      const auto [left, left_mask] = without_removed(graph, mask, hard);
      return propagated(x, left, left_mask, drops);
    }
    return propagated(x, graph, mask, drops);
  }

  std::vector<int64_t> propagated_widths() const override {
    return {config_.dims.begin(), config_.dims.end() - 1};
  }

 private:
  at::Tensor propagated(const Features& x, const Graph& graph, const at::Tensor& mask,
                        bool drops) const {
    // P (x Wᵀ) = (P x) Wᵀ: the narrow side is propagated, and sparse features stay sparse.
    at::Tensor h = propagate_normalized(x.times(layers_[0].effective()), graph, mask);
    for (size_t l = 1; l < layers_.size(); ++l) {
      if (!slope_.defined()) h = relu_dropped(h, config_.dropout, drops);
      h = propagate_normalized(ops::affine(h, layers_[l].effective()), graph, mask);
    }
    return slope_.defined() ? at::prelu(h, slope_) : h;
  }

  const UgsConfig config_;
  std::vector<MaskedWeight> layers_;
  at::Tensor slope_;
};

/// ── GIN with two layers: the mean over all edges into a node, pruned ones too.
class Gin final : public Network {
 public:
  explicit Gin(const UgsConfig& config) : config_(config) {
    for (size_t l = 0; l < 2; ++l) {
      const std::string path = "ginlayers." + std::to_string(l);
      torch::nn::Module& layer = module_at(*this, path);
      eps_.push_back(config.learn_eps ? layer.register_parameter("eps", torch::zeros({1}))
                                      : layer.register_buffer("eps", torch::zeros({1})));
      layers_.push_back(
          add_weight(path + ".apply_func.mlp.linear", config.dims[l + 1], config.dims[l]));
      if (config.is_link_prediction()) slopes_.push_back(add_slope(*this, path + ".act"));
    }
    head_ = add_weight("linears_prediction", config.dims[2], config.dims[1], false);
  }

  at::Tensor forward(const Features& x, const Graph& graph, const at::Tensor& mask,
                     const at::Tensor& hard, bool drops) override {
    const bool removes = config_.edge_mask_mode == "remove";
    const auto [edges, weights] =
        removes ? without_removed(graph, mask, hard) : std::pair(graph, mask);
    const MeanPropagation& mean = mean_over(edges, graph, mask);
    const auto layer = [&](size_t l, const at::Tensor& z) {
      const at::Tensor sum = mean(z, weights, 1 + eps_[l]);
      if (!slopes_.empty()) return at::prelu(sum, slopes_[l]);
      return relu_dropped(sum, config_.dropout, drops);
    };
    // Both terms are linear in h: the weight comes first, and with the head's it reads h1 once.
    const at::Tensor h1 = layer(0, x.times(layers_[0].effective()));
    const at::Tensor both = ops::affine(h1, at::cat({layers_[1].effective(), head_.effective()}));
    const int64_t classes = config_.dims[2];
    const at::Tensor h2 = layer(1, both.narrow(1, 0, classes));
    return (both.narrow(1, classes, classes) + h2) / 2;
  }

  std::vector<int64_t> propagated_widths() const override {
    return {config_.dims[0], config_.dims[1]};
  }

 private:
  /// Over these edges of the graph, by the degrees of all; that of the last graph is kept.
  const MeanPropagation& mean_over(const Graph& edges, const Graph& graph, const at::Tensor& like) {
    if (!mean_ || !edges.edges.is_same(seen_edges_) || like.scalar_type() != seen_dtype_) {
      mean_.emplace(edges, in_degrees(graph, like).clamp_min(1));
      seen_edges_ = edges.edges;
      seen_dtype_ = like.scalar_type();
    }
    return *mean_;
  }

  const UgsConfig config_;
  std::vector<at::Tensor> eps_, slopes_;
  std::vector<MaskedWeight> layers_;
  MaskedWeight head_;
  std::optional<MeanPropagation> mean_;
  at::Tensor seen_edges_;
  at::ScalarType seen_dtype_ = at::kFloat;
};

/// ── GAT: several heads, then one. In mode "logit" a pruned edge has logit 0 and keeps its share.
class Gat final : public Network {
 public:
  explicit Gat(const UgsConfig& config) : config_(config) {
    const int64_t heads = config.num_heads;
    for (size_t l = 0; l < 2; ++l) {
      const int64_t count = l == 0 ? heads : 1;
      const int64_t in = l == 0 ? config.dims[0] : config.dims[1] * heads;
      for (int64_t k = 0; k < count; ++k) {
        const std::string path = "layers." + std::to_string(l) + ".heads." + std::to_string(k);
        fc_[l].push_back(add_weight(path + ".fc", config.dims[l + 1], in));
        attention_[l].push_back(add_weight(path + ".attn_fc", 1, 2 * config.dims[l + 1]));
        // One head has no activation.
        if (config.is_link_prediction() && count > 1) {
          slopes_.push_back(add_slope(*this, path + ".act"));
        }
      }
    }
  }

  at::Tensor forward(const Features& x, const Graph& graph, const at::Tensor& mask,
                     const at::Tensor& hard, bool drops) override {
    const bool removes = config_.edge_mask_mode == "remove";
    const auto [edges, weights] =
        removes ? without_removed(graph, mask, hard) : std::pair(graph, mask);
    // The output layer is linear in the heads, so that each is used up while it is in the cache.
    const std::vector<at::Tensor> parts_CD = fc_[1][0].effective().chunk(config_.num_heads, 1);
    at::Tensor z_NC;
    for (size_t k = 0; k < parts_CD.size(); ++k) {
      const at::Tensor part = ops::affine(hidden(k, x, edges, weights, drops), parts_CD[k]);
      z_NC = z_NC.defined() ? z_NC + part : part;
    }
    return propagate(z_NC, edges, attention(z_NC, attention_[1][0], edges, weights));
  }

  std::vector<int64_t> propagated_widths() const override {
    return {config_.dims[1] * config_.num_heads, config_.dims[2]};
  }

 private:
  /// α of every edge, (E). z: (N, D); a: [a_src | a_dst], (1, 2·D)
  at::Tensor attention(const at::Tensor& z_ND, const MaskedWeight& a, const Graph& graph,
                       const at::Tensor& mask) const {
    const at::Tensor ends_N2 = ops::affine(z_ND, a.effective().view({2, z_ND.size(1)}));
    const at::Tensor u_E = ends_N2.select(1, 0).index_select(0, graph.sources()) +
                           ends_N2.select(1, 1).index_select(0, graph.targets());
    return edge_softmax(at::leaky_relu(u_E, config_.leaky_slope) * mask, graph);
  }

  /// Head k of the hidden layer, (N, D).
  at::Tensor hidden(size_t k, const Features& x, const Graph& graph, const at::Tensor& mask,
                    bool drops) const {
    const bool is_link = config_.is_link_prediction();
    const at::Tensor z_ND = x.times(fc_[0][k].effective());
    at::Tensor alpha_E = attention(z_ND, attention_[0][k], graph, mask);
    // One head is an output head, without dropout and activation.
    if (config_.num_heads == 1) return propagate(z_ND, graph, alpha_E);
    alpha_E = dropped(alpha_E, config_.dropout, drops && !is_link);
    at::Tensor o_ND = propagate(z_ND, graph, alpha_E);
    if (is_link) return at::prelu(o_ND, slopes_[k]);
    return dropped(at::elu_(o_ND), config_.dropout, drops);
  }

  const UgsConfig config_;
  std::vector<MaskedWeight> fc_[2], attention_[2];
  std::vector<at::Tensor> slopes_;
};

}  // namespace

MaskedWeight Network::add_weight(const std::string& path, int64_t out, int64_t in, bool is_masked) {
  MaskedWeight added(module_at(*this, path), out, in, is_masked);
  all_.push_back(added);
  if (is_masked) masked_.push_back(added);
  return added;
}

int64_t Network::macs(int64_t num_nodes) const {
  int64_t left = 0;
  for (const MaskedWeight& weight : all_) {
    left +=
        weight.is_masked() ? weight.hard.count_nonzero().item<int64_t>() : weight.weight.numel();
  }
  return num_nodes * left;
}

at::Tensor dropped(const at::Tensor& x, double share, bool drops) {
  return drops && share > 0 ? at::dropout(x, share, /*train=*/true) : x;
}

at::Tensor relu_dropped(const at::Tensor& x, double share, bool drops) {
  if (!drops || share <= 0) return x.relu();
  return ops::relu_dropout(x, share, at::empty({}, at::kLong).random_().item<int64_t>());
}

std::string edge_soft_name(const UgsConfig& config) {
  return config.model == "resgcn" ? "edge_mask1_train" : "adj_mask1_train";
}
std::string edge_hard_name(const UgsConfig& config) {
  return config.model == "resgcn" ? "edge_mask2_fixed" : "adj_mask2_fixed";
}

std::shared_ptr<Network> make_network(const UgsConfig& config) {
  if (config.model == "gin") return std::make_shared<Gin>(config);
  if (config.model == "gat") return std::make_shared<Gat>(config);
  if (config.model == "resgcn") return make_res_gcn(config);
  return std::make_shared<Gcn>(config);
}

}  // namespace tessera::ugs
