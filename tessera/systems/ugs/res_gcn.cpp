#include <torch/nn/module.h>
#include <torch/types.h>

#include <cmath>

#include "tessera/systems/ugs/network.h"

// ResGCN of DeeperGCN: generalised convolutions (GENConv) with residual connections.

namespace tessera::ugs {
namespace {

/// Batch normalisation over the rows, under torch's names; "none" passes through.
class RowNorm {
 public:
  RowNorm() = default;
  RowNorm(torch::nn::Module& owner, int64_t width) {
    weight_ = owner.register_parameter("weight", torch::ones({width}));
    bias_ = owner.register_parameter("bias", torch::zeros({width}));
    mean_ = owner.register_buffer("running_mean", torch::zeros({width}));
    variance_ = owner.register_buffer("running_var", torch::ones({width}));
    count_ = owner.register_buffer("num_batches_tracked", torch::zeros({}, torch::kLong));
  }

  at::Tensor operator()(const at::Tensor& x, bool training) const {
    if (!weight_.defined()) return x;
    if (training) at::Tensor(count_).add_(1);
    return at::batch_norm(x, weight_, bias_, mean_, variance_, training, /*momentum=*/0.1,
                          /*eps=*/1e-5, /*cudnn_enabled=*/true);
  }

 private:
  at::Tensor weight_, bias_, mean_, variance_, count_;
};

struct Linear {
  MaskedWeight weight;
  at::Tensor bias;
  at::Tensor operator()(const at::Tensor& x) const { return x.mm(weight.effective().t()) + bias; }
};

class ResGcn final : public Network {
 public:
  explicit ResGcn(const UgsConfig& config) : config_(config) {
    const int64_t width = config.hidden_dim;
    if (config.input_dim > 0) {
      encoder_ = add_linear("node_features_encoder", width, config.input_dim, false);
    }
    for (int64_t l = 0; l < config.num_layers; ++l) {
      const std::string path = "gcns." + std::to_string(l);
      convolutions_.push_back(add_convolution(path));
      norms_.push_back(add_norm("norms." + std::to_string(l), width));
    }
    if (config.num_classes > 0) {
      head_ = add_linear("node_pred_linear", config.num_classes, width, false);
    }
  }

  at::Tensor forward(const Features& x, const Graph& graph, const at::Tensor& mask,
                     const at::Tensor& hard, bool drops) override {
    Edges edges{graph, mask};
    if (config_.edge_mask_mode == "remove") {
      const at::Tensor kept = hard.nonzero().squeeze(-1);
      edges = {only_edges(graph, kept), mask.index_select(0, kept)};
    }
    const bool training = is_training();
    const auto norm = [&](size_t l, const at::Tensor& h) { return norms_[l](h, training); };
    const auto drop = [&](const at::Tensor& h) { return dropped(h, config_.dropout, drops); };
    const auto relu_drop = [&](const at::Tensor& h) {
      return relu_dropped(h, config_.dropout, drops);
    };
    at::Tensor h = encoder_.bias.defined() ? x.times(encoder_.weight.effective()) + encoder_.bias
                                           : x.times(at::eye(x.width(), mask.options()));
    const size_t layers = convolutions_.size();
    if (config_.block == "res+") {
      h = convolve(0, h, edges);
      for (size_t l = 1; l < layers; ++l) h = convolve(l, relu_drop(norm(l - 1, h)), edges) + h;
      h = relu_drop(norm(layers - 1, h));
    } else {
      h = relu_drop(norm(0, convolve(0, h, edges)));
      for (size_t l = 1; l < layers; ++l) {
        const at::Tensor next = norm(l, convolve(l, h, edges)).relu();
        h = drop(config_.block == "res" ? next + h : next);
      }
    }
    return head_.bias.defined() ? head_(h).log_softmax(-1) : h;
  }

  std::vector<int64_t> propagated_widths() const override {
    return std::vector<int64_t>(convolutions_.size(), config_.hidden_dim);
  }

 private:
  struct Edges {
    Graph graph;
    at::Tensor mask;
  };
  struct Convolution {
    std::vector<Linear> linears;
    std::vector<RowNorm> norms;
    at::Tensor temperature, degree_power;
  };

  Linear add_linear(const std::string& path, int64_t out, int64_t in, bool is_masked) {
    Linear linear{.weight = add_weight(path, out, in, is_masked)};
    const double bound = 1 / std::sqrt(static_cast<double>(in));
    linear.bias = module_at(*this, path)
                      .register_parameter("bias", torch::empty({out}).uniform_(-bound, bound));
    return linear;
  }

  RowNorm add_norm(const std::string& path, int64_t width) {
    return config_.norm == "batch" ? RowNorm(module_at(*this, path), width) : RowNorm();
  }

  /// mlp: linear maps d → 2d → … → d at mlp.0, mlp.3, …, with normalisation and ReLU between.
  Convolution add_convolution(const std::string& path) {
    Convolution made;
    const int64_t d = config_.hidden_dim, count = config_.mlp_layers;
    const int64_t stride = config_.norm == "batch" ? 3 : 2;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t in = i == 0 ? d : 2 * d, out = i + 1 == count ? d : 2 * d;
      const auto at = [&](int64_t place) { return path + ".mlp." + std::to_string(place); };
      made.linears.push_back(add_linear(at(stride * i), out, in, true));
      if (i + 1 < count) made.norms.push_back(add_norm(at(stride * i + 1), out));
    }
    const bool is_softmax =
        config_.aggregation == "softmax" || config_.aggregation == "softmax_sum";
    if (is_softmax && config_.learn_temperature) {
      made.temperature =
          module_at(*this, path)
              .register_parameter("t", torch::full({1}, config_.softmax_temperature));
    }
    if (config_.aggregation == "softmax_sum") {
      made.degree_power = module_at(*this, path)
                              .register_parameter("y", torch::zeros({1}),
                                                  /*requires_grad=*/false);
    }
    return made;
  }

  at::Tensor aggregate(const Convolution& it, const at::Tensor& g_ED, const Edges& edges,
                       int64_t nodes) const {
    const auto sum = [&](const at::Tensor& messages) {
      return at::zeros({nodes, g_ED.size(1)}, g_ED.options().requires_grad(false))
          .index_add(0, edges.graph.targets(), messages);
    };
    if (config_.aggregation == "add") return sum(g_ED);
    const at::Tensor degree = in_degrees(edges.graph, g_ED).unsqueeze(-1);
    if (config_.aggregation == "mean") return sum(g_ED) / degree.clamp_min(1);
    at::Tensor alpha_ED;
    if (it.temperature.defined()) {
      alpha_ED = edge_softmax(g_ED * it.temperature, edges.graph);
    } else {
      // The authors differentiate the weights only where the temperature is learned.
      alpha_ED = edge_softmax(g_ED.detach() * config_.softmax_temperature, edges.graph);
    }
    const at::Tensor mean = sum(alpha_ED * g_ED);
    return it.degree_power.defined() ? degree.pow(it.degree_power.sigmoid()) * mean : mean;
  }

  at::Tensor convolve(size_t l, const at::Tensor& h, const Edges& edges) const {
    const Convolution& it = convolutions_[l];
    const at::Tensor g_ED =
        (h.relu() + config_.message_eps).index_select(0, edges.graph.sources()) *
        edges.mask.unsqueeze(-1);
    at::Tensor out = it.linears[0](h + aggregate(it, g_ED, edges, h.size(0)));
    for (size_t i = 1; i < it.linears.size(); ++i) {
      out = it.linears[i](it.norms[i - 1](out, is_training()).relu());
    }
    return out;
  }

  const UgsConfig config_;
  Linear encoder_, head_;
  std::vector<Convolution> convolutions_;
  std::vector<RowNorm> norms_;
};

}  // namespace

std::shared_ptr<Network> make_res_gcn(const UgsConfig& config) {
  UgsConfig resolved = config;
  if (resolved.aggregation == "default") resolved.aggregation = "softmax_sg";
  return std::make_shared<ResGcn>(resolved);
}

}  // namespace tessera::ugs
