#include "tessera/nn/sequence_baseline.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/rnn.h>

#include <functional>
#include <string>
#include <vector>

#include "tessera/core/error.h"

namespace tessera::nn {
namespace {

using Options = SequenceBaselineOptions;

Options small(const std::string& kind) {
  return {.kind = kind, .input_dim = 3, .hidden_dim = 5, .num_layers = 2, .output_dim = 4};
}

std::shared_ptr<SequenceBaseline> make(const Options& options, uint64_t seed = 1) {
  at::manual_seed(seed);
  auto model = make_sequence_baseline(options);
  model->to(at::kDouble);
  model->eval();
  return model;
}

at::Tensor input(at::IntArrayRef sizes) { return at::randn(sizes, at::kDouble); }

int64_t count_of(const Options& options) {
  int64_t count = 0;
  for (const at::Tensor& p : make_sequence_baseline(options)->parameters()) count += p.numel();
  return count;
}

std::string complaint(const std::function<void()>& call) {
  try {
    call();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "no such error";
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

at::Tensor parameter(const SequenceBaseline& model, const std::string& name) {
  return *model.named_parameters().find(name);
}

TEST(SequenceBaseline, parameter_counts_are_those_of_the_papers) {
  EXPECT_EQ(count_of({.kind = "lstm", .input_dim = 28, .hidden_dim = 128}), 82186);
  EXPECT_EQ(count_of({.kind = "linear", .input_dim = 784}), 7850);
  EXPECT_EQ(
      count_of(
          {.kind = "lstm", .input_dim = 1, .hidden_dim = 25, .num_layers = 4, .output_dim = 1}),
      18426);
  // i2h of 1 + 2·256 columns with bias, readout.
  EXPECT_EQ(count_of({.kind = "cornn", .hidden_dim = 256}), 256 * 513 + 256 + 2570);
  EXPECT_EQ(count_of({.kind = "indrnn", .hidden_dim = 128}), 128 + 128 + 128 + 1290);
}

TEST(SequenceBaseline, each_kind_gives_logits_of_the_last_step_or_of_each) {
  for (const std::string& kind : sequence_baseline_kinds()) {
    Options options = small(kind);
    if (kind == "linear") options.input_dim = 21;
    const at::Tensor x = input({2, 7, 3});
    const at::Tensor last = make(options)->forward(x);
    EXPECT_EQ(last.sizes(), (at::IntArrayRef{2, 4})) << kind;
    if (kind == "linear") continue;
    options.return_sequences = true;
    const at::Tensor all = make(options)->forward(x);
    EXPECT_EQ(all.sizes(), (at::IntArrayRef{2, 7, 4})) << kind;
    EXPECT_TRUE(at::allclose(all.select(1, 6), last, 1e-12, 1e-12)) << kind;
  }
}

TEST(SequenceBaseline, the_past_alone_decides) {
  for (const char* kind : {"lstm", "gru", "rnn", "cornn", "indrnn"}) {
    Options options = small(kind);
    options.return_sequences = true;
    const at::Tensor x = input({2, 7, 3}), changed = x.clone();
    changed.narrow(1, 4, 3).add_(1);
    const auto model = make(options);
    const at::Tensor difference = model->forward(x) - model->forward(changed);
    EXPECT_EQ(difference.narrow(1, 0, 4).abs().max().item<double>(), 0) << kind;
    EXPECT_GT(difference.select(1, 6).abs().max().item<double>(), 1e-6) << kind;
  }
}

TEST(SequenceBaseline, lengths_choose_each_sequence_s_last_step) {
  for (const char* kind : {"lstm", "gru", "rnn", "cornn", "indrnn"}) {
    const auto model = make(small(kind));
    const at::Tensor x = input({3, 6, 3});
    const at::Tensor out = model->forward(x, at::tensor({6, 1, 4}, at::kLong));
    EXPECT_TRUE(at::allclose(out[1], model->forward(x.slice(0, 1, 2).narrow(1, 0, 1))[0], 1e-12));
    EXPECT_TRUE(at::allclose(out[2], model->forward(x.slice(0, 2, 3).narrow(1, 0, 4))[0], 1e-12));
  }
}

TEST(SequenceBaseline, the_lstm_is_torch_s) {
  const auto model = make(small("lstm"));
  torch::nn::LSTM torch_lstm(torch::nn::LSTMOptions(3, 5).num_layers(2).batch_first(true));
  torch_lstm->to(at::kDouble);
  {
    at::NoGradGuard no_grad;
    for (const char* part : {"weight_ih", "weight_hh", "bias_ih", "bias_hh"}) {
      for (const char* layer : {"0", "1"}) {
        torch_lstm->named_parameters()
            .find(std::string(part) + "_l" + layer)
            ->copy_(parameter(*model, std::string("layers.") + layer + "." + part));
      }
    }
  }
  const at::Tensor x = input({2, 7, 3});
  const at::Tensor h = std::get<0>(torch_lstm->forward(x)).select(1, 6);
  const at::Tensor expected =
      at::linear(h, parameter(*model, "classifier.weight"), parameter(*model, "classifier.bias"));
  EXPECT_TRUE(at::allclose(model->forward(x), expected, 1e-10, 1e-12));
}

TEST(SequenceBaseline, cornn_and_indrnn_are_their_equations) {
  const at::Tensor x = input({2, 9, 3});
  Options options = small("cornn");
  options.num_layers = 1;
  options.dt = 0.3, options.gamma = 1.7, options.epsilon = 2.9;
  auto model = make(options);
  at::Tensor W = parameter(*model, "layers.0.weight"), b = parameter(*model, "layers.0.bias");
  at::Tensor y = at::zeros({2, 5}, at::kDouble), z = y;
  for (int64_t t = 0; t < 9; ++t) {
    const at::Tensor F = at::tanh(at::linear(at::cat({x.select(1, t), z, y}, 1), W, b));
    z = z + 0.3 * (F - 1.7 * y - 2.9 * z);
    y = y + 0.3 * z;
  }
  const auto readout = [&](const at::Tensor& h) {
    return at::linear(h, parameter(*model, "classifier.weight"),
                      parameter(*model, "classifier.bias"));
  };
  EXPECT_TRUE(at::allclose(model->forward(x), readout(y), 1e-12, 1e-13));

  options.kind = "indrnn";
  model = make(options);
  W = parameter(*model, "layers.0.weight"), b = parameter(*model, "layers.0.bias");
  at::Tensor h = at::zeros({2, 5}, at::kDouble);
  for (int64_t t = 0; t < 9; ++t) {
    h = at::relu(at::linear(x.select(1, t), W, b) + parameter(*model, "layers.0.u") * h);
  }
  EXPECT_TRUE(at::allclose(model->forward(x), readout(h), 1e-12, 1e-13));
}

TEST(SequenceBaseline, every_parameter_gets_a_gradient) {
  for (const std::string& kind : sequence_baseline_kinds()) {
    Options options = small(kind);
    options.vocab_size = 11;
    options.embed_dim = 3;
    if (kind == "linear") options.input_dim = 18;
    const auto model = make(options);
    model->forward(at::randint(0, 11, {4, 6}, at::kLong)).square().sum().backward();
    for (const auto& named : model->named_parameters()) {
      ASSERT_TRUE(named.value().grad().defined()) << kind << " " << named.key();
      EXPECT_GT(named.value().grad().abs().max().item<double>(), 0) << kind << " " << named.key();
    }
  }
}

TEST(SequenceBaseline, dropout_is_for_training) {
  Options options = small("gru");
  options.dropout = 0.5;
  const auto model = make(options);
  const at::Tensor x = input({2, 7, 3});
  EXPECT_TRUE(at::equal(model->forward(x), model->forward(x)));
  model->train();
  EXPECT_FALSE(at::equal(model->forward(x), model->forward(x)));
}

TEST(SequenceBaseline, wrong_options_are_refused) {
  const auto with = [](auto change) {
    Options options = small("lstm");
    change(options);
    return complaint([&] { make_sequence_baseline(options); });
  };
  EXPECT_TRUE(has(with([](Options& o) { o.kind = "ltsm"; }), "T-BASE-01"));
  EXPECT_TRUE(has(with([](Options& o) { o.hidden_dim = 0; }), "hidden_dim must be at least 1"));
  EXPECT_TRUE(has(with([](Options& o) { o.vocab_size = 0; }), "T-BASE-02"));
  EXPECT_TRUE(has(with([](Options& o) { o.dropout = 1; }), "T-BASE-03"));
  EXPECT_TRUE(has(with([](Options& o) { o.dt = 0; }), "T-BASE-04"));
  EXPECT_TRUE(
      has(with([](Options& o) { o.kind = "linear", o.return_sequences = true; }), "T-BASE-05"));
}

TEST(SequenceBaseline, wrong_inputs_are_refused) {
  const auto run = [](const Options& options, const at::Tensor& x, const at::Tensor& lengths = {}) {
    const auto model = make(options);
    return complaint([&] { model->forward(x, lengths); });
  };
  const at::Tensor x = input({2, 7, 3});
  EXPECT_TRUE(has(run(small("gru"), input({2, 7, 4})), "T-BASE-08"));
  EXPECT_TRUE(has(run(small("gru"), input({0, 7, 3})), "T-BASE-08"));
  EXPECT_TRUE(has(run(small("gru"), at::zeros({2, 7, 3}, at::kLong)), "T-BASE-08"));
  EXPECT_TRUE(has(run(small("linear"), x), "T·D"));
  EXPECT_TRUE(has(run(small("gru"), x, at::ones({2})), "T-BASE-09"));
  EXPECT_TRUE(has(run(small("gru"), x, at::tensor({0, 8}, at::kLong)), "1..7, but got 0..8"));
  Options tokens = small("gru");
  tokens.vocab_size = 4;
  EXPECT_TRUE(has(run(tokens, x), "T-BASE-06"));
  EXPECT_TRUE(has(run(tokens, at::full({1, 2}, 4, at::kLong)), "0..3, but got 4"));
  tokens.kind = "linear";
  EXPECT_TRUE(has(run(tokens, at::zeros({1, 2}, at::kLong)), "T-BASE-11"));
}

}  // namespace
}  // namespace tessera::nn
