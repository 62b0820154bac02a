#include "tessera/systems/zoo_tuning/zoo_conv.h"

#include <ATen/ATen.h>

#include <cmath>

#include "tessera/ops/autocast.h"
#include "tessera/ops/product.h"

namespace tessera::zoo_tuning {
namespace {

std::array<int64_t, 2> both(int64_t value) { return {value, value}; }

/// A plain convolution. One of 1×1 is a product, and faster as one.
at::Tensor convolve(const at::Tensor& x, const at::Tensor& kernel, const at::Tensor& bias,
                    const ops::AggregatedConvOptions& o) {
  const bool is_pointwise = kernel.size(2) == 1 && o.groups == 1 && o.padding == 0;
  if (!is_pointwise) {
    return at::conv2d(x, kernel, bias, both(o.stride), both(o.padding), both(o.dilation), o.groups);
  }
  at::Tensor read = o.stride == 1 ? x : x.slice(2, 0, {}, o.stride).slice(3, 0, {}, o.stride);
  read = read.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor rows = ops::affine(read.permute({0, 2, 3, 1}), kernel.flatten(1), bias);
  return rows.permute({0, 3, 1, 2});
}

}  // namespace

ZooConv::ZooConv(const ZooConvOptions& options, torch::nn::Module& owner) : options_(options) {
  const int64_t sources = options.num_sources, out = options.out_channels;
  const int64_t in = options.in_channels / options.geometry.groups, k = options.kernel;
  const double bound = std::sqrt(6.0 / static_cast<double>(in * k * k));
  weight_ = owner.register_parameter("weight",
                                     at::empty({sources, out, in, k, k}).uniform_(-bound, bound));
  if (options.has_bias) bias_ = owner.register_parameter("bias", at::zeros({sources, out}));
  if (options.is_aligned) {
    align_ = owner.register_parameter(
        "align_conv", at::eye(out).repeat({sources, 1}).view({sources * out, out, 1, 1}));
  }
  if (options.is_lite) {
    average_gates_ = owner.register_buffer("lite_attention", at::zeros({sources}));
  }
  // Places in the authors' sequence: pool, V1, ReLU, V2, flatten, sigmoid.
  const auto attention =
      owner.register_module("attention", std::make_shared<torch::nn::Module>("attention"));
  const auto first = attention->register_module("1", std::make_shared<torch::nn::Module>("1")),
             last = attention->register_module("3", std::make_shared<torch::nn::Module>("3"));
  const int64_t hidden = options.in_channels / 4 + 1;
  const auto draw = [](int64_t rows, int64_t columns) {
    return at::empty({rows, columns, 1, 1}).normal_(0, std::sqrt(2.0 / static_cast<double>(rows)));
  };
  gate_in_ = first->register_parameter("weight", draw(hidden, options.in_channels));
  gate_out_ = last->register_parameter("weight", draw(sources, hidden));
  gate_bias_ = last->register_parameter("bias", at::zeros({sources}));
}

at::Tensor ZooConv::gates(const at::Tensor& x) const {
  const at::Tensor hidden =
      ops::affine(x.mean(at::IntArrayRef({2, 3})), gate_in_.flatten(1)).relu();
  return ops::affine(hidden, gate_out_.flatten(1), gate_bias_).sigmoid();
}

ZooConv::Outputs ZooConv::forward(const at::Tensor& x, nn::Mode mode, bool wants_gates) {
  const ops::AggregatedConvOptions& o = options_.geometry;
  const bool is_evaluation = mode == nn::Mode::kEvaluate;
  const bool is_inference = is_evaluation && !at::GradMode::is_enabled();
  Outputs out;
  if (wants_gates || !options_.is_lite || !is_evaluation) out.gates = gates(x);
  if (options_.is_lite && is_inference) {
    out.y = convolve(x, kept().kernels, kept().bias, o);
    return out;
  }
  at::Tensor a = out.gates;
  if (options_.is_lite && is_evaluation) a = average_gates_.unsqueeze(0);
  if (options_.is_lite && !is_evaluation) {
    a = a.mean(0, /*keepdim=*/true);
    const at::NoGradGuard no_grad;
    average_gates_.mul_(1 - options_.lite_momentum)
        .add_(a.detach().squeeze(0), options_.lite_momentum);
  }
  out.y = is_inference ? ops::aggregated_conv2d(x, a, kept().kernels, {}, bias_, o)
                       : ops::aggregated_conv2d(x, a, weight_, align_, bias_, o);
  return out;
}

ZooConv::Plain ZooConv::folded(const at::Tensor& gates) const {
  const at::NoGradGuard no_grad;
  const at::Tensor row = gates.unsqueeze(0);
  const at::Tensor sources = ops::aligned_sources(weight_, align_);
  Plain plain;
  plain.weight = at::mm(row, sources.flatten(1)).view(weight_.sizes().slice(1));
  if (bias_.defined()) plain.bias = at::mm(row, bias_).squeeze(0);
  return plain;
}

std::array<std::pair<const void*, int64_t>, 4> ZooConv::state() const {
  const auto of = [](const at::Tensor& tensor) {
    return tensor.defined() ? std::pair(tensor.const_data_ptr(), tensor._version())
                            : std::pair<const void*, int64_t>(nullptr, 0);
  };
  return {of(weight_), of(align_), of(bias_), of(average_gates_)};
}

const ZooConv::Kept& ZooConv::kept() {
  const auto now = state();
  if (kept_.kernels.defined() && kept_.made_from == now) return kept_;
  const ops::NoAutocast guard;  // what is kept serves every precision
  kept_ = {};
  if (options_.is_lite) {
    Plain plain = folded(average_gates_);
    kept_.kernels = plain.weight.contiguous(at::MemoryFormat::ChannelsLast);
    kept_.bias = plain.bias;
  } else {
    kept_.kernels = ops::aligned_sources(weight_, align_);
  }
  kept_.made_from = now;
  return kept_;
}

}  // namespace tessera::zoo_tuning
