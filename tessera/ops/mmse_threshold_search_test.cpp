#include "tessera/ops/mmse_threshold_search.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tessera/core/error.h"

namespace tessera::ops {
namespace {

at::Tensor rectified(at::IntArrayRef sizes, at::ScalarType dtype = at::kDouble) {
  static auto generator = at::detail::createCPUGenerator(5);
  return torch::relu(torch::randn(sizes, generator, at::kDouble)).to(dtype);
}

TEST(MmseThresholdSearch, equals_the_plain_twin) {
  for (const bool channel_wise : {false, true}) {
    for (const int64_t steps : {1, 3, 8, 16, 100}) {
      for (const auto& sizes : std::vector<std::vector<int64_t>>{
               {4, 5, 6, 7}, {1, 3, 1, 1}, {64, 4, 9, 9}, {7, 300}, {1, 1, 256, 257}}) {
        const at::Tensor a = rectified(sizes);
        const ThresholdSearch ours = mmse_threshold_search(a, steps, channel_wise),
                              plain = mmse_threshold_search_plain(a, steps, channel_wise);
        EXPECT_TRUE(at::equal(ours.threshold, plain.threshold)) << sizes << steps;
        EXPECT_TRUE(at::equal(ours.candidates, plain.candidates));
        EXPECT_TRUE(at::allclose(ours.scores, plain.scores, 1e-11, 1e-15, /*equal_nan=*/true));
      }
    }
  }
}

TEST(MmseThresholdSearch, float_scores_are_as_near_to_double_as_the_twin_s) {
  for (const bool channel_wise : {false, true}) {
    const at::Tensor a = rectified({8, 16, 24, 24});
    const at::Tensor exact =
        mmse_threshold_search_plain(a.to(at::kFloat).to(at::kDouble), 16, channel_wise).scores;
    const auto error = [&](const ThresholdSearch& search) {
      return (search.scores.to(at::kDouble) / exact - 1).abs().max().item<double>();
    };
    EXPECT_LE(error(mmse_threshold_search(a.to(at::kFloat), 16, channel_wise)),
              2 * error(mmse_threshold_search_plain(a.to(at::kFloat), 16, channel_wise)));
  }
}

TEST(MmseThresholdSearch, never_scores_worse_than_the_maximum) {
  // Invariant 9.
  const at::Tensor a = rectified({3, 4, 8, 8});
  const ThresholdSearch search = mmse_threshold_search(a, 8, false);
  EXPECT_LE(search.scores.min().item<double>(), search.scores[0].item<double>());
  EXPECT_EQ(search.candidates[0].item<double>(), a.max().item<double>());
  EXPECT_TRUE(search.candidates.eq(search.threshold).any().item<bool>());
}

TEST(MmseThresholdSearch, scales_with_its_input) {
  // Invariant 10.
  const at::Tensor a = rectified({2, 3, 7, 7});
  const at::Tensor once = mmse_threshold_search(a, 8, true).threshold;
  EXPECT_TRUE(at::equal(mmse_threshold_search(a * 4, 8, true).threshold, once * 4));
  EXPECT_TRUE(at::allclose(mmse_threshold_search(a * 3, 8, true).threshold, once * 3, 1e-9));
}

TEST(MmseThresholdSearch, dead_channels_have_threshold_0) {
  at::Tensor a = rectified({2, 3, 4, 4});
  a.select(1, 1).zero_();
  const ThresholdSearch search = mmse_threshold_search(a, 8, true);
  EXPECT_EQ(search.threshold[0][1].item<double>(), 0.0);
  EXPECT_GT(search.threshold[0][0].item<double>(), 0.0);
  EXPECT_TRUE(search.scores.select(1, 1).isnan().all().item<bool>());
  EXPECT_EQ(mmse_threshold_search(at::zeros({2, 5}), 8, false).threshold.item<float>(), 0.0f);
}

TEST(MmseThresholdSearch, does_not_depend_on_layout_or_threads) {
  const at::Tensor a = rectified({16, 8, 40, 40}, at::kFloat);
  const ThresholdSearch search = mmse_threshold_search(a, 16, true);
  const ThresholdSearch last =
      mmse_threshold_search(a.contiguous(at::MemoryFormat::ChannelsLast), 16, true);
  EXPECT_TRUE(at::equal(search.scores, last.scores));
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const at::Tensor alone = mmse_threshold_search(a, 16, false).scores;
  at::set_num_threads(2);
  EXPECT_TRUE(at::equal(mmse_threshold_search(a, 16, false).scores, alone));
  at::set_num_threads(threads);
}

TEST(MmseThresholdSearch, has_a_shape_rule_and_refuses_what_does_not_fit) {
  const at::Tensor meta = at::empty({2, 3, 4, 4}, at::TensorOptions().device(at::kMeta));
  EXPECT_EQ(mmse_threshold_search(meta, 8, true).threshold.sizes(), at::IntArrayRef({1, 3, 1, 1}));
  EXPECT_EQ(mmse_threshold_search(meta, 8, false).scores.sizes(), at::IntArrayRef({95}));
  EXPECT_THROW(mmse_threshold_search(at::zeros({0, 3}), 8, false), InvalidArgument);
  EXPECT_THROW(mmse_threshold_search(at::zeros({2, 3}), 0, false), InvalidArgument);
  EXPECT_THROW(mmse_threshold_search(at::zeros({2, 3}, at::kLong), 8, false), InvalidArgument);
}

}  // namespace
}  // namespace tessera::ops
