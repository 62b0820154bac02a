#include "tessera/train/sparsify.h"

#include <gtest/gtest.h>

#include "tessera/train/toy_system_test.h"

namespace tessera::train {
namespace {

TEST(Sparsify, the_smallest_of_all_matrices_go) {
  const TensorMap weights = {{"a", at::tensor({1.0, -4.0}).view({1, 2})},
                             {"b", at::tensor({-0.5, 3.0}).view({2, 1})}};
  const TensorMap all = {{"a", at::ones({1, 2})}, {"b", at::ones({2, 1})}};
  const TensorMap half = prune_smallest(weights, all, 0.5);
  EXPECT_TRUE(at::equal(half.at("a"), at::tensor({0.f, 1.f}).view({1, 2})));
  EXPECT_TRUE(at::equal(half.at("b"), at::tensor({0.f, 1.f}).view({2, 1})));
  const TensorMap quarter = prune_smallest(weights, half, 0.5);
  EXPECT_EQ(quarter.at("b").sum().item<double>(), 0);
  EXPECT_EQ(quarter.at("a").sum().item<double>(), 1);
}

TEST(Sparsify, rounds_leave_fewer_weights_and_pruned_ones_are_zero) {
  const toy::TemporaryFolder folder;
  const SparsifyOptions options{.rounds = 2, .prune_rate = 0.5, .out = folder / "s"};
  const auto rounds = sparsify([] { return toy::recipe(); }, options);
  ASSERT_EQ(rounds.size(), 3u);
  EXPECT_EQ(rounds[0].left, rounds[0].weights);
  EXPECT_EQ(rounds[1].left, rounds[0].weights - rounds[0].weights / 2);
  EXPECT_LT(rounds[2].left, rounds[1].left);
  EXPECT_FALSE(rounds[2].test.empty());
  const auto model = load_run_model(toy::recipe(), folder / "s/round-2");
  int64_t left = 0;
  for (const auto& item : model->named_parameters()) {
    if (item.value().dim() >= 2) left += item.value().count_nonzero().item<int64_t>();
  }
  EXPECT_LE(left, rounds[2].left);
}

TEST(Sparsify, round_0_is_the_ordinary_training) {
  const auto rounds = sparsify([] { return toy::recipe(); }, {.rounds = 0});
  EXPECT_EQ(rounds[0].test, train(toy::recipe()).test);
}

TEST(Sparsify, refuses_rates_that_leave_all_or_nothing) {
  for (const double rate : {0.0, 1.0, -0.5}) {
    EXPECT_THROW(sparsify([] { return toy::recipe(); }, {.prune_rate = rate}), InvalidArgument);
  }
}

}  // namespace
}  // namespace tessera::train
