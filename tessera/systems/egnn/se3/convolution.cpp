#include "tessera/systems/egnn/se3/convolution.h"

#include <fmt/format.h>
#include <torch/types.h>

#include <cmath>

#include "tessera/systems/egnn/se3/parameters.h"
#include "tessera/systems/egnn/se3/radial_contraction.h"

namespace tessera::egnn::se3 {
namespace {

constexpr int64_t kRadialWidth = 32;

}  // namespace

RadialNet::RadialNet(int64_t channels_in, int64_t channels_out, int64_t num_frequencies)
    : channels_in_(channels_in), channels_out_(channels_out), num_frequencies_(num_frequencies) {
  const auto net = add_level(*this, "net");
  first_ = net->register_module("0", torch::nn::Linear(1, kRadialWidth));
  first_norm_ = add_layer_norm(*net, "1", kRadialWidth);
  second_ = net->register_module("3", torch::nn::Linear(kRadialWidth, kRadialWidth));
  second_norm_ = add_layer_norm(*net, "4", kRadialWidth);
  last_ = net->register_module(
      "6", torch::nn::Linear(kRadialWidth, num_frequencies * channels_in * channels_out));
  for (torch::nn::Linear* linear : {&first_, &second_, &last_}) draw_for_relu(*linear);
}

at::Tensor RadialNet::apply(const at::Tensor& products, const at::Tensor& distance_U1) const {
  const auto hidden = [](const at::Tensor& input, const torch::nn::Linear& linear,
                         const torch::nn::LayerNorm& norm) {
    const at::Tensor h = at::linear(input, linear->weight, linear->bias);
    return at::layer_norm(h, {kRadialWidth}, norm->weight, norm->bias).relu();
  };
  const at::Tensor h_U = hidden(hidden(distance_U1, first_, first_norm_), second_, second_norm_);
  // The authors' rows run over (m_out, m_in, F); ours over (F, m_in, m_out), so that R is a matrix
  // that the angular products multiply from the left.
  const at::Tensor weight =
      last_->weight.view({channels_out_, channels_in_, num_frequencies_, kRadialWidth})
          .permute({2, 1, 0, 3})
          .reshape({-1, kRadialWidth});
  const at::Tensor bias = last_->bias.view({channels_out_, channels_in_, num_frequencies_})
                              .permute({2, 1, 0})
                              .reshape({-1});
  return radial_contraction(products, h_U, weight, bias);
}

AngularProducts angular_products(const Features& features, const Fiber& in, const Fiber& out,
                                 const Geometry& geometry) {
  const int64_t num_pairs = geometry.graph.num_pairs();
  AngularProducts products(in.size());
  for (size_t a = 0; a < in.size(); ++a) {
    const at::Tensor f_Eqi = geometry.graph.of_senders(features[a]);
    for (const FiberPart& b : out) {
      const int64_t width = (2 * std::min(in[a].degree, b.degree) + 1) * in[a].channels;
      products[a].resize(b.degree + 1);
      products[a][b.degree] = geometry.kernels[in[a].degree][b.degree].bmm(f_Eqi).view(
          {num_pairs, 2 * (2 * b.degree + 1), width});
    }
  }
  return products;
}

PartialConvolution::PartialConvolution(const Fiber& in, const Fiber& out) : out_(out) {
  const auto kernels = add_level(*this, "kernel_unary");
  for (const FiberPart& a : in) {
    auto& row = radial_.emplace_back();
    for (const FiberPart& b : out) {
      const auto level = add_level(*kernels, fmt::format("({},{})", a.degree, b.degree));
      row.push_back(level->register_module(
          "rp", std::make_shared<RadialNet>(a.channels, b.channels,
                                            2 * std::min(a.degree, b.degree) + 1)));
    }
  }
}

Features PartialConvolution::messages(const AngularProducts& products,
                                      const Geometry& geometry) const {
  Features messages;
  for (size_t b = 0; b < out_.size(); ++b) {
    const int64_t degree = out_[b].degree;
    at::Tensor sum;  // (U, 2·(2b+1), m_out)
    for (size_t a = 0; a < products.size(); ++a) {
      const at::Tensor part = radial_[a][b]->apply(products[a][degree], geometry.distance_U1);
      sum = sum.defined() ? sum + part : part;
    }
    messages.push_back(sum.view({geometry.graph.num_edges(), 2 * degree + 1, out_[b].channels}));
  }
  return messages;
}

Convolution::Convolution(const Fiber& in, const Fiber& out)
    : PartialConvolution(in, out), in_(in), out_(out) {
  const auto level = add_level(*this, "kernel_self");
  for (size_t a = 0; a < in.size(); ++a) {
    for (size_t b = 0; b < out.size(); ++b) {
      if (out[b].degree != in[a].degree) continue;
      const at::Tensor W = at::randn({1, out[b].channels, in[a].channels}) /
                           std::sqrt(static_cast<double>(in[a].channels));
      self_.push_back({a, b, level->register_parameter(std::to_string(in[a].degree), W)});
    }
  }
}

Features Convolution::forward(const Features& features, const Geometry& geometry) const {
  const AngularProducts products = angular_products(features, in_, out_, geometry);
  const at::Tensor entering = geometry.graph.entering(pack(messages(products, geometry)));
  const int64_t num_entering = entering.size(1);
  if (num_entering == 0) return unpack(entering.sum(1), out_);

  Features result = unpack(entering.mean(1), out_);
  for (const auto& [a, b, weight] : self_) {
    // One and the same row for all edges that enter a node: the mean is that row.
    result[b] = result[b] + at::linear(features[a], weight.squeeze(0));
  }
  return result;
}

}  // namespace tessera::egnn::se3
