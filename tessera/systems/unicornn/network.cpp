#include "tessera/systems/unicornn/network.h"

#include <torch/nn/init.h>
#include <torch/types.h>

#include <algorithm>
#include <cmath>

#include "tessera/core/text.h"
#include "tessera/ops/product.h"
#include "tessera/ops/unicornn_recurrence.h"
#include "tessera/systems/unicornn/sequence_input.h"

namespace tessera::unicornn {
namespace {

/// w ~ U(0, 1), c ~ U(−0.1, 0.1), registered in the authors' order.
std::pair<at::Tensor, at::Tensor> register_oscillators(torch::nn::Module& module, int64_t width) {
  const at::Tensor c = module.register_parameter("c_", torch::empty({width}));
  const at::Tensor w = module.register_parameter("weight_hh", torch::empty({width}));
  const torch::NoGradGuard no_grad;
  c.uniform_(-0.1, 0.1);
  w.uniform_(0, 1);
  return {w, c};
}

/// The bound of the linearised step, s² (α + w) < 4, at the largest s and w.
void warn_if_unstable(const std::vector<double>& dt, double alpha) {
  const double most = *std::max_element(dt.begin(), dt.end());
  if (most * most * (alpha + 1) <= 4) return;
  TORCH_WARN("[unicornn] dt² (alpha + 1) should be at most 4, but is ",
             shortest(most * most * (alpha + 1)),
             ": states may grow without bound. Choose a smaller dt or alpha.  (T-UNI-20)");
}

ops::UnicornnBackwardMode backward_mode(const std::string& name) {
  if (name == "store") return ops::UnicornnBackwardMode::kStore;
  if (name == "full_reversible") return ops::UnicornnBackwardMode::kFullReversible;
  return ops::UnicornnBackwardMode::kReconstruct;
}

}  // namespace

Recurrence::Recurrence(const UnicornnConfig& config) : config_(config) {
  std::tie(w_, c_) = register_oscillators(*this, config.hidden_dim);
  warn_if_unstable(config.steps(), config.alpha);
}

TensorMap Recurrence::run(const TensorMap& inputs) {
  const at::Tensor x = read_sequence(inputs, {.width = config_.hidden_dim,
                                              .batch_first = config_.batch_first,
                                              .max_len = config_.max_len,
                                              .like = w_});
  const at::IntArrayRef plane = x.sizes().slice(1);
  const ops::UnicornnState start = {read_optional(inputs, "y0", plane, w_),
                                    read_optional(inputs, "z0", plane, w_)};
  const ops::UnicornnOscillators oscillators = {w_, c_, config_.steps().front(), config_.alpha};
  const ops::UnicornnResult result = config_.backward == "store"
                                         ? ops::unicornn_recurrence_plain(x, oscillators, start)
                                         : ops::unicornn_recurrence(x, oscillators, start);
  return {{"y", config_.batch_first ? result.y.transpose(0, 1) : result.y},
          {"y_n", result.state.y},
          {"z_n", result.state.z}};
}

Unicornn::Unicornn(const UnicornnConfig& config) : config_(config), dt_(config.steps()) {
  const int64_t width = config.hidden_dim, layers = config.num_layers;
  warn_if_unstable(dt_, config.alpha);
  if (config.vocab_size) {
    const auto embedding = register_module("embedding", std::make_shared<torch::nn::Module>());
    embedding_ = embedding->register_parameter(
        "weight", torch::randn({*config.vocab_size, config.embed_dim}));
    const torch::NoGradGuard no_grad;
    if (config.pad_id) embedding_[*config.pad_id].zero_();
  }
  const auto maps = register_module("DIs", std::make_shared<torch::nn::Module>());
  for (int64_t l = 0; l < layers; ++l) {
    const auto layer =
        maps->register_module(std::to_string(l), std::make_shared<torch::nn::Module>());
    const int64_t in = l > 0 ? width : config.vocab_size ? config.embed_dim : config.input_dim;
    inputs_.push_back(layer->register_module("fc", torch::nn::Linear(in, width)));
  }
  classifier_ = register_module("classifier", torch::nn::Linear(width, config.num_classes));
  {
    const torch::NoGradGuard no_grad;
    for (const torch::nn::Linear& map : inputs_) {
      torch::nn::init::kaiming_uniform_(map->weight, /*a=*/8);
      map->bias.zero_();
    }
    torch::nn::init::kaiming_normal_(classifier_->weight);
    classifier_->bias.zero_();
  }
  const auto recurrences = register_module("RNNs", std::make_shared<torch::nn::Module>());
  for (int64_t l = 0; l < layers; ++l) {
    const auto layer =
        recurrences->register_module(std::to_string(l), std::make_shared<torch::nn::Module>());
    const auto [w, c] = register_oscillators(*layer, width);
    w_.push_back(w);
    c_.push_back(c);
  }
  residual_.resize(static_cast<size_t>(layers));
  if (config.residual != "learned") return;
  const auto residual = register_module("residual", std::make_shared<torch::nn::Module>());
  for (int64_t l = config.residual_skip + 1; l < layers; ++l) {
    const auto layer =
        residual->register_module(std::to_string(l), std::make_shared<torch::nn::Module>());
    const at::Tensor weight = layer->register_parameter("weight", torch::empty({width, width}));
    torch::nn::init::kaiming_uniform_(weight, /*a=*/8);
    residual_[static_cast<size_t>(l)] = weight;
  }
}

std::vector<ops::UnicornnStackLayer> Unicornn::layers() const {
  std::vector<ops::UnicornnStackLayer> layers;
  for (size_t l = 0; l < inputs_.size(); ++l) {
    // Read anew each time: a module that is cast or moved replaces its parameters' contents.
    layers.push_back({.v = inputs_[l]->weight,
                      .b = inputs_[l]->bias,
                      .w = w_[l],
                      .c = c_[l],
                      .residual = residual_[l],
                      .dt = dt_[l]});
  }
  return layers;
}

DropoutMasks Unicornn::draw_masks(int64_t batch) const {
  const auto draw = [&](at::IntArrayRef sizes, double dropped) {
    return at::empty(sizes, classifier_->weight.options().requires_grad(false))
        .bernoulli_(1 - dropped)
        .div_(1 - dropped);
  };
  DropoutMasks masks;
  if (embedding_.defined() && config_.embed_dropout > 0) {
    masks.embedding = draw({*config_.vocab_size, 1}, config_.embed_dropout);
  }
  if (config_.dropout > 0) {
    std::vector<at::Tensor> layers;
    for (int64_t l = 0; l < config_.num_layers; ++l) {
      layers.push_back(draw({batch, config_.hidden_dim}, config_.dropout));
    }
    masks.layers = at::stack(layers);
  }
  return masks;
}

NetworkOutputs Unicornn::forward(const at::Tensor& x, const DropoutMasks& masks,
                                 const ops::UnicornnState& start) const {
  at::Tensor u = x;
  if (embedding_.defined()) {
    const at::Tensor rows = masks.embedding.defined() ? embedding_ * masks.embedding : embedding_;
    u = at::embedding(rows, x, config_.pad_id.value_or(-1));
  }
  const ops::UnicornnStackOptions options = {
      .alpha = config_.alpha,
      .residual = config_.residual == "none"       ? ops::UnicornnResidual::kNone
                  : config_.residual == "identity" ? ops::UnicornnResidual::kIdentity
                                                   : ops::UnicornnResidual::kLearned,
      .skip = config_.residual_skip,
      .backward = backward_mode(config_.backward),
      .sequence = config_.return_sequences};
  const ops::UnicornnStackResult stack =
      ops::unicornn_stack(u, layers(), masks.layers, start, options);
  at::Tensor last = stack.y_n[-1];
  if (masks.layers.defined()) last = last * masks.layers[-1];
  return {.logits = at::linear(last, classifier_->weight, classifier_->bias),
          .y = stack.y,
          .y_n = stack.y_n,
          .z_n = stack.z_n};
}

TensorMap Unicornn::run(const TensorMap& inputs) {
  const at::Tensor& like = classifier_->weight;
  const at::Tensor x = read_sequence(inputs, {.width = config_.input_dim,
                                              .vocab_size = config_.vocab_size,
                                              .batch_first = config_.batch_first,
                                              .max_len = config_.max_len,
                                              .like = like});
  const std::vector<int64_t> planes = {config_.num_layers, x.size(1), config_.hidden_dim};
  const ops::UnicornnState start = {read_optional(inputs, "y0", planes, like),
                                    read_optional(inputs, "z0", planes, like)};
  DropoutMasks masks = {.layers = read_optional(inputs, "noise_dropout", planes, like)};
  if (config_.vocab_size) {
    masks.embedding = read_optional(inputs, "noise_embedding", {*config_.vocab_size, 1}, like);
  }
  if (is_training() && draws_noise()) {
    const DropoutMasks drawn = draw_masks(x.size(1));
    if (!masks.layers.defined()) masks.layers = drawn.layers;
    if (!masks.embedding.defined()) masks.embedding = drawn.embedding;
  }
  const NetworkOutputs out = forward(x, masks, start);
  TensorMap outputs = {{"logits", out.logits}};
  if (config_.return_sequences) {
    outputs.set("y", config_.batch_first ? out.y.transpose(0, 1) : out.y);
  }
  if (config_.return_state) {
    outputs.set("y_n", out.y_n);
    outputs.set("z_n", out.z_n);
  }
  return outputs;
}

}  // namespace tessera::unicornn
