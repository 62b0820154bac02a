#include "tessera/nn/sequence_baseline.h"

#include <ATen/ATen.h>
#include <torch/nn/init.h>
#include <torch/nn/modules/container/modulelist.h>
#include <torch/nn/modules/linear.h>

#include <algorithm>
#include <cmath>

#include "tessera/core/error.h"
#include "tessera/nn/sequence_layers.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/product.h"

namespace tessera::nn {
namespace {

using Options = SequenceBaselineOptions;

[[noreturn]] void refuse(const std::string& rule, const std::string& got, const char* id) {
  fail<InvalidArgument>({.where = "baseline", .rule = rule, .got = got, .id = id});
}

void check_options(const Options& options) {
  if (std::ranges::find(sequence_baseline_kinds(), options.kind) ==
      sequence_baseline_kinds().end()) {
    refuse("a baseline is lstm, gru, rnn, cornn, indrnn or linear", "\"" + options.kind + "\"",
           "T-BASE-01");
  }
  const std::vector<std::pair<const char*, int64_t>> sizes = {
      {"input_dim", options.input_dim},   {"hidden_dim", options.hidden_dim},
      {"num_layers", options.num_layers}, {"output_dim", options.output_dim},
      {"embed_dim", options.embed_dim},   {"vocab_size", options.vocab_size.value_or(1)}};
  for (const auto& [name, size] : sizes) {
    if (size < 1)
      refuse(std::string(name) + " must be at least 1", std::to_string(size), "T-BASE-02");
  }
  if (!(options.dropout >= 0 && options.dropout < 1)) {
    refuse("dropout must be in [0, 1)", std::to_string(options.dropout), "T-BASE-03");
  }
  if (!(options.dt > 0) || !std::isfinite(options.gamma) || !std::isfinite(options.epsilon)) {
    refuse("dt must be above 0, gamma and epsilon finite",
           std::to_string(options.dt) + ", " + std::to_string(options.gamma) + ", " +
               std::to_string(options.epsilon),
           "T-BASE-04");
  }
  if (options.kind == "linear" && options.return_sequences) {
    refuse("a linear baseline has one output a sequence", "return_sequences = true", "T-BASE-05");
  }
}

/// What all kinds share: checks of the input, the embedding, the readout.
class Base : public SequenceBaseline {
 public:
  at::Tensor forward(const at::Tensor& x, const at::Tensor& lengths) override {
    const at::Tensor floats_BTD = embedding_.defined() ? embed(x) : check_floats(x);
    if (lengths.defined()) check_lengths(lengths, x);
    return compute(floats_BTD, lengths);
  }

 protected:
  explicit Base(const Options& options) : options_(options) {
    if (!options.vocab_size) return;
    embedding_ =
        register_module("embedding", std::make_shared<torch::nn::Module>("embedding"))
            ->register_parameter("weight", at::randn({*options.vocab_size, options.embed_dim}));
  }

  virtual at::Tensor compute(const at::Tensor& x_BTD, const at::Tensor& lengths) = 0;

  void make_classifier(int64_t width) {
    classifier_ = register_module("classifier", torch::nn::Linear(width, options_.output_dim));
  }
  at::Tensor classify(const at::Tensor& features) const {
    return ops::affine(features, classifier_->weight, classifier_->bias);
  }
  const Options& options() const { return options_; }

 private:
  at::Tensor embed(const at::Tensor& x) const {
    if (x.dim() != 2 || x.scalar_type() != at::kLong || x.numel() == 0) {
      refuse("x must be int64 tokens of shape (B, T), neither empty", ops::describe(x),
             "T-BASE-06");
    }
    const int64_t least = x.min().item<int64_t>(), most = x.max().item<int64_t>();
    if (least < 0 || most >= *options_.vocab_size) {
      refuse("tokens must be in 0.." + std::to_string(*options_.vocab_size - 1),
             std::to_string(least < 0 ? least : most), "T-BASE-07");
    }
    return at::embedding(embedding_, x);
  }

  at::Tensor check_floats(const at::Tensor& x) const {
    const bool is_flat = options_.kind == "linear";
    const bool has_width =
        x.dim() == 3 && (is_flat ? x.size(1) * x.size(2) : x.size(2)) == options_.input_dim;
    if (!has_width || x.numel() == 0 || !x.is_floating_point()) {
      refuse("x must be floating of shape (B, T, D) with " + std::string(is_flat ? "T·D" : "D") +
                 " = input_dim = " + std::to_string(options_.input_dim) + ", none empty",
             ops::describe(x), "T-BASE-08");
    }
    return x;
  }

  void check_lengths(const at::Tensor& lengths, const at::Tensor& x) const {
    if (lengths.dim() != 1 || lengths.scalar_type() != at::kLong || lengths.size(0) != x.size(0)) {
      refuse("lengths must be int64 of shape (" + std::to_string(x.size(0)) + ")",
             ops::describe(lengths), "T-BASE-09");
    }
    if (lengths.min().item<int64_t>() < 1 || lengths.max().item<int64_t>() > x.size(1)) {
      refuse("lengths must be in 1.." + std::to_string(x.size(1)),
             std::to_string(lengths.min().item<int64_t>()) + ".." +
                 std::to_string(lengths.max().item<int64_t>()),
             "T-BASE-10");
    }
  }

  Options options_;
  at::Tensor embedding_;
  torch::nn::Linear classifier_{nullptr};
};

class Linear final : public Base {
 public:
  explicit Linear(const Options& options) : Base(options) { make_classifier(options.input_dim); }

 private:
  at::Tensor compute(const at::Tensor& x_BTD, const at::Tensor&) override {
    const at::Tensor flat = x_BTD.flatten(1);
    if (flat.size(1) != options().input_dim) {
      refuse("T·embed_dim must be input_dim = " + std::to_string(options().input_dim),
             std::to_string(flat.size(1)), "T-BASE-11");
    }
    return classify(flat);
  }
};

class Recurrent final : public Base {
 public:
  explicit Recurrent(const Options& options) : Base(options) {
    int64_t width = options.vocab_size ? options.embed_dim : options.input_dim;
    torch::nn::ModuleList list;
    for (int64_t l = 0; l < options.num_layers; ++l) {
      layers_.push_back(make_sequence_layer(options, width));
      list->push_back(std::static_pointer_cast<torch::nn::Module>(layers_.back()));
      width = options.hidden_dim;
    }
    register_module("layers", list);
    make_classifier(width);
  }

 private:
  at::Tensor compute(const at::Tensor& x_BTD, const at::Tensor& lengths) override {
    // Time first: every step of every layer is then one contiguous block.
    at::Tensor h_TBH = x_BTD.transpose(0, 1).contiguous();
    for (const auto& layer : layers_) {
      h_TBH = layer->forward(h_TBH);
      if (options().dropout > 0 && is_training()) {
        h_TBH = at::dropout(h_TBH, options().dropout, /*train=*/true);
      }
    }
    if (options().return_sequences) return classify(h_TBH.transpose(0, 1).contiguous());
    if (!lengths.defined()) return classify(h_TBH[h_TBH.size(0) - 1]);
    return classify(h_TBH.index({lengths - 1, at::arange(lengths.size(0), lengths.options())}));
  }

  std::vector<std::shared_ptr<SequenceLayer>> layers_;
};

}  // namespace

const std::vector<std::string>& sequence_baseline_kinds() {
  static const std::vector<std::string> kinds = {"lstm", "gru", "rnn", "cornn", "indrnn", "linear"};
  return kinds;
}

std::shared_ptr<SequenceBaseline> make_sequence_baseline(const Options& options) {
  check_options(options);
  if (options.kind == "linear") return std::make_shared<Linear>(options);
  return std::make_shared<Recurrent>(options);
}

}  // namespace tessera::nn
