#include "tessera/train/sparsify.h"

#include <gtest/gtest.h>

#include "tessera/core/refused_test.h"
#include "tessera/train/toy_system_test.h"

namespace tessera::train {
namespace {

TEST(Sparsify, the_smallest_of_all_matrices_go) {
  const TensorMap weights = {{"a", at::tensor({1.0, -4.0}).view({1, 2})},
                             {"b", at::tensor({-0.5, 3.0}).view({2, 1})}};
  const TensorMap all = {{"a", at::ones({1, 2})}, {"b", at::ones({2, 1})}};
  const TensorMap half = prune_smallest(weights, all, 2);
  EXPECT_TRUE(at::equal(half.at("a"), at::tensor({0.f, 1.f}).view({1, 2})));
  EXPECT_TRUE(at::equal(half.at("b"), at::tensor({0.f, 1.f}).view({2, 1})));
  const TensorMap quarter = prune_smallest(weights, half, 1);
  EXPECT_EQ(quarter.at("b").sum().item<double>(), 0);
  EXPECT_EQ(quarter.at("a").sum().item<double>(), 1);
  EXPECT_THROW(prune_smallest(weights, half, 2), InvalidArgument);
}

TEST(Sparsify, rounds_leave_fewer_weights_and_pruned_ones_are_zero) {
  const toy::TemporaryFolder folder;
  const SparsifyOptions options{.rounds = 2, .prune_rate = 0.5, .out = folder / "s"};
  const auto rounds = sparsify([] { return toy::recipe(); }, options);
  ASSERT_EQ(rounds.size(), 3u);
  EXPECT_EQ(rounds[0].weights_left, rounds[0].weights);
  EXPECT_EQ(rounds[1].weights_left, rounds[0].weights - rounds[0].weights / 2);
  EXPECT_LT(rounds[2].weights_left, rounds[1].weights_left);
  EXPECT_FALSE(rounds[2].test.empty());
  const auto model = load_run_model(toy::recipe(), folder / "s/round-2");
  int64_t left = 0;
  for (const auto& item : model->named_parameters()) {
    if (item.value().dim() >= 2) left += item.value().count_nonzero().item<int64_t>();
  }
  EXPECT_LE(left, rounds[2].weights_left);
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

TEST(Sparsify, learned_masks_prune_one_more_than_their_share) {
  const toy::TemporaryFolder folder;
  SparsifyOptions options{.by = PruneBy::kLearnedMask, .rounds = 2, .prune_rate = 0.25};
  options.out = folder / "s";
  const auto rounds = sparsify([] { return toy::recipe(); }, options);
  ASSERT_EQ(rounds.size(), 3u);
  int64_t left = rounds[0].weights;
  for (int round = 1; round <= 2; ++round) {
    left -= left / 4 + 1;
    EXPECT_EQ(rounds[static_cast<size_t>(round)].weights_left, left);
  }
  // The folders hold the same rounds, and no other search's.
  EXPECT_EQ(sparsify([] { return toy::recipe(); }, options)[2].test, rounds[2].test);
  options.masks.weight_l1 = 1;
  EXPECT_THROW(sparsify([] { return toy::recipe(); }, options), InvalidArgument);
}

TEST(Sparsify, chance_prunes_its_share_of_every_matrix) {
  SparsifyOptions options{.by = PruneBy::kRandom, .rounds = 2, .prune_rate = 0.5};
  const auto rounds = sparsify([] { return toy::recipe(); }, options);
  EXPECT_EQ(rounds[1].weights_left, 12 + 4);  // of 8 x 3 and 1 x 8
  EXPECT_EQ(rounds[2].weights_left, 6 + 2);
}

TEST(Sparsify, edges_need_a_task_that_shares_them_and_a_method_that_ranks_them) {
  const auto refused = [](const char* id, PruneBy by) {
    const SparsifyOptions options{.by = by, .rounds = 1, .edge_prune_rate = 0.1};
    tessera::testing::refused(id, [&] { sparsify([] { return toy::recipe(); }, options); });
  };
  refused("T-SPARSE-04", PruneBy::kMagnitude);
  refused("T-SPARSE-07", PruneBy::kLearnedMask);
}

}  // namespace
}  // namespace tessera::train
