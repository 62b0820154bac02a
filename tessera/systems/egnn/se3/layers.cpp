#include "tessera/systems/egnn/se3/layers.h"

#include <torch/types.h>

#include <cmath>

#include "tessera/systems/egnn/se3/parameters.h"

namespace tessera::egnn::se3 {
namespace {

constexpr double kMinLength = 1e-12;

/// The parts of `out` whose degree `in` has too.
Fiber common_degrees(const Fiber& in, const Fiber& out) {
  Fiber common;
  for (const FiberPart& part : out) {
    if (find_degree(in, part.degree)) common.push_back(part);
  }
  return common;
}

}  // namespace

NormNonlinearity::NormNonlinearity(const Fiber& fiber, bool with_linear) {
  const auto transform = add_level(*this, "transform");
  for (const auto& [degree, channels] : fiber) {
    const auto net = add_level(*transform, std::to_string(degree));
    norms_.push_back(add_layer_norm(*net, "0", channels));
    if (with_linear) {
      linears_.push_back(net->register_module("2", torch::nn::Linear(channels, channels)));
      draw_for_relu(linears_.back());
    }
  }
}

Features NormNonlinearity::forward(const Features& features) const {
  Features result;
  for (size_t part = 0; part < features.size(); ++part) {
    const at::Tensor& v_NPm = features[part];
    const at::Tensor length_Nm = v_NPm.square().sum(1).clamp_min(kMinLength * kMinLength).sqrt();
    const torch::nn::LayerNorm& norm = norms_[part];
    at::Tensor t_Nm = at::layer_norm(length_Nm, {v_NPm.size(2)}, norm->weight, norm->bias).relu();
    if (!linears_.empty()) {
      t_Nm = at::linear(t_Nm, linears_[part]->weight, linears_[part]->bias);
    }
    result.push_back(v_NPm * (t_Nm / length_Nm).unsqueeze(1));
  }
  return result;
}

AttentionBlock::AttentionBlock(const Fiber& in, const Fiber& out)
    : in_(in), out_(out), key_(common_degrees(in, out)) {
  const auto level = add_level(*this, "GMAB");
  values_ = level->register_module("v", std::make_shared<PartialConvolution>(in, out));
  keys_ = level->register_module("k", std::make_shared<PartialConvolution>(in, key_));
  const auto transform = add_level(*add_level(*level, "q"), "transform");
  for (const FiberPart& part : key_) {
    const int64_t channels_in = find_degree(in, part.degree)->channels;
    const at::Tensor W =
        at::randn({part.channels, channels_in}) / std::sqrt(static_cast<double>(channels_in));
    queries_.push_back(transform->register_parameter(std::to_string(part.degree), W));
  }
}

Features AttentionBlock::forward(const Features& features, const Geometry& geometry) const {
  const AngularProducts products = angular_products(features, in_, out_, geometry);
  const at::Tensor value_NSv = geometry.graph.entering(pack(values_->messages(products, geometry)));
  const at::Tensor key_NSk = geometry.graph.entering(pack(keys_->messages(products, geometry)));

  Features query;
  for (size_t a = 0; a < in_.size(); ++a) {
    if (query.size() == key_.size() || key_[query.size()].degree != in_[a].degree) continue;
    query.push_back(at::linear(features[a], queries_[query.size()]));
  }
  const at::Tensor query_Nk1 = pack(query).unsqueeze(2);

  const double scale = 1 / std::sqrt(static_cast<double>(query_Nk1.size(1)));
  const at::Tensor attention_N1S = (key_NSk.bmm(query_Nk1) * scale).softmax(1).transpose(1, 2);
  return unpack(attention_N1S.bmm(value_NSv).squeeze(1), out_);
}

}  // namespace tessera::egnn::se3
