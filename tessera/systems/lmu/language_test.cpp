#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "tessera/core/error.h"
#include "tessera/core/rng.h"
#include "tessera/systems/lmu/capacity.h"
#include "tessera/systems/lmu/model.h"
#include "tessera/systems/task_extras.h"

namespace tessera::lmu {
namespace {

std::shared_ptr<Model> language(const Json& values = {}) {
  Json all = {{"architecture", "language"},
              {"vocab_size", 11},
              {"hidden_dim", 8},
              {"num_layers", 2},
              {"order", 3},
              {"theta", 5}};
  if (!values.is_null()) all.update(values);
  LmuConfig config;
  read_config(config, all);
  seed_default_generators(3);
  const auto model = make_model(config);
  model->to(at::kDouble);
  model->eval();
  return model;
}

at::Tensor tokens(int64_t batch, int64_t length) {
  return at::randint(0, 11, {batch, length}, at::detail::createCPUGenerator(1), at::kLong);
}

TEST(LmuLanguage, logits_at_a_step_do_not_see_later_ones) {
  const auto model = language();
  const at::Tensor x = tokens(2, 20);
  at::Tensor other = x.clone();
  other.narrow(1, 12, 8).add_(1).remainder_(11);
  const at::Tensor a = model->run({{"x", x}}).at("logits"),
                   b = model->run({{"x", other}}).at("logits");
  EXPECT_EQ(a.sizes(), (at::IntArrayRef{2, 20, 11}));
  EXPECT_LT((a - b).narrow(1, 0, 12).abs().max().item<double>(), 1e-12);
  EXPECT_GT((a - b).narrow(1, 12, 8).abs().max().item<double>(), 1e-3);
}

TEST(LmuLanguage, a_stream_with_carried_memories_equals_the_whole) {
  const auto model = language();
  const at::Tensor x = tokens(2, 20);
  const at::Tensor whole = model->run({{"x", x}}).at("logits");
  std::vector<at::Tensor> parts;
  at::Tensor m;
  for (const auto& [begin, size] : {std::pair(0, 7), std::pair(7, 1), std::pair(8, 12)}) {
    TensorMap inputs = {{"x", x.narrow(1, begin, size)}};
    if (m.defined()) inputs.set("m0", m);
    const TensorMap out = model->run(inputs);
    parts.push_back(out.at("logits"));
    m = out.at("m_n");
  }
  EXPECT_EQ(m.sizes(), (at::IntArrayRef{2, 2, 24}));
  EXPECT_LT((at::cat(parts, 1) - whole).abs().max().item<double>(), 1e-10);
}

TEST(LmuLanguage, every_weight_learns) {
  const auto model = language({{"dropout", 0.1}});
  model->train();
  model->run({{"x", tokens(4, 16)}}).at("logits").square().mean().backward();
  for (const auto& item : model->named_parameters()) {
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    EXPECT_GT(item.value().grad().abs().max().item<double>(), 0) << item.key();
  }
}

TEST(LmuLanguage, what_cannot_be_is_refused) {
  EXPECT_THROW(language({{"vocab_size", nullptr}}), InvalidArgument);
  EXPECT_THROW(language({{"mode", "final_state"}}), InvalidArgument);
  EXPECT_THROW(language({{"variant", "general"}}), InvalidArgument);
  const auto model = language();
  EXPECT_THROW(model->run({{"x", tokens(2, 3).add(1).fill_(11)}}), InvalidArgument);
  EXPECT_THROW(model->run({{"x", at::zeros({2, 3})}}), InvalidArgument);
  EXPECT_THROW(model->run({{"x", at::zeros({2, 0}, at::kLong)}}), InvalidArgument);
  EXPECT_THROW(model->run({{"x", tokens(2, 3)}, {"m0", at::zeros({1, 2, 24}, at::kDouble)}}),
               InvalidArgument);
}

std::shared_ptr<Model> reviews_model(const Json& values = {}) {
  Json all = {{"variant", "general"},
              {"vocab_size", 12},
              {"pad_id", 1},
              {"embed_dim", 6},
              {"memory_dim", 6},
              {"order", 1},
              {"theta", 8},
              {"hidden_dim", 0},
              {"hidden_cell", "none"},
              {"input_kernel", false},
              {"num_classes", 1}};
  if (!values.is_null()) all.update(values);
  LmuConfig config;
  read_config(config, all);
  seed_default_generators(3);
  return make_model(config);
}

TEST(LmuReviews, the_paper_s_model_learns_301_numbers) {
  const auto model =
      reviews_model({{"embed_dim", 300}, {"memory_dim", 300}, {"freeze_embedding", true}});
  int64_t count = 0;
  for (const at::Tensor& p : model->parameters()) count += p.requires_grad() ? p.numel() : 0;
  EXPECT_EQ(count, 301);
}

TEST(LmuReviews, it_is_a_decaying_sum_of_word_vectors) {
  const auto model = reviews_model();
  model->to(at::kDouble);
  const at::Tensor x = at::tensor({1, 1, 5, 7, 2}, at::kLong).view({1, 5});
  const TensorMap out = model->run({{"x", x}});
  const TensorMap weights = weights_of(*model);
  // Order 1: A = −1/θ, B = 1/θ, so that m ← e^(−1/θ) m + (1 − e^(−1/θ)) u.
  const double keep = std::exp(-1.0 / 8);
  at::Tensor m = at::zeros({6}, at::kDouble);
  for (const int64_t token : {5, 7, 2}) {
    m = keep * m + (1 - keep) * weights.at("embedding.weight")[token];
  }
  const at::Tensor expected =
      at::mv(weights.at("classifier.weight"), m) + weights.at("classifier.bias");
  EXPECT_LT((out.at("logits")[0] - expected).abs().max().item<double>(), 1e-12);
}

TEST(LmuReviews, the_padding_s_vector_is_zero_and_stays_it) {
  const auto model = reviews_model();
  model->run({{"x", at::tensor({1, 5, 1, 1}, at::kLong).view({2, 2})}})
      .at("logits")
      .sum()
      .backward();
  const at::Tensor weight = model->named_parameters()["embedding.weight"];
  EXPECT_EQ(weight[1].abs().max().item<double>(), 0);
  EXPECT_EQ(weight.grad()[1].abs().max().item<double>(), 0);
  EXPECT_GT(weight.grad()[5].abs().max().item<double>(), 0);
  EXPECT_THROW(reviews_model({{"pad_id", 12}}), InvalidArgument);
}

TEST(LmuCapacity, outputs_are_the_noise_after_its_delays) {
  CapacityConfig config;
  read_config(config, {{"window", 40}, {"num_samples", 10}, {"frequency", 4}});
  const Capacity data = capacity(config);
  const int64_t length = data.x.size(1);
  EXPECT_EQ(length, 100);
  EXPECT_EQ(data.y.sizes(), (at::IntArrayRef{10, 100, 5}));
  EXPECT_NEAR(data.x.abs().amax().item<double>(), 1, 1e-12);
  for (int64_t i = 0; i < 5; ++i) {
    const int64_t delay = 10 * i;
    const at::Tensor y = data.y.select(2, i), x = data.x.select(2, 0);
    EXPECT_TRUE(at::equal(y.narrow(1, delay, length - delay), x.narrow(1, 0, length - delay)));
    EXPECT_EQ(y.narrow(1, 0, delay).abs().sum().item<double>(), 0);
  }
  // Nothing above 4 cycles a window: 10 in the whole sequence.
  const at::Tensor spectrum = at::fft_rfft(data.x.select(2, 0)).abs();
  EXPECT_LT(spectrum.narrow(1, 11, spectrum.size(1) - 11).max().item<double>(), 1e-9);
}

TEST(LmuCapacity, a_memory_with_the_decoder_repeats_the_noise_untrained) {
  const TaskFactory factory = capacity_task();
  const auto config = factory.config();
  read_config(*config,
              {{"window", 200}, {"num_samples", 10}, {"frequency", 3}, {"decoder_order", 24}});
  const auto task = factory.make(*config, {.dtype = at::kDouble});
  LmuConfig model_config;
  read_config(model_config, {{"variant", "general"},
                             {"input_kernel", false},
                             {"order", 24},
                             {"theta", 199.5},
                             {"hidden_cell", "none"},
                             {"hidden_dim", 0},
                             {"output_dim", 5},
                             {"return_sequences", true}});
  const auto model = make_model(model_config);
  model->to(at::kDouble);
  begin_with(*model, dynamic_cast<const InitialWeights&>(*task).initial_weights());
  BatchContext context{.split = Split::kTest};
  const std::vector<int64_t> examples = {0, 1, 2};
  const TensorMap batch = task->batch(examples, context);
  Tally tally;
  task->measure(model->run(batch), batch, tally);
  const double power = batch.at("target").square().mean().item<double>();
  EXPECT_LT(tally.mean("mse"), 1e-2 * power);
}

}  // namespace
}  // namespace tessera::lmu
