#include "tessera/train/ema.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace tessera::train {
namespace {

TEST(Ema, follows_the_parameters_slowly_and_swaps_with_them) {
  const auto parameter = torch::full({2}, 1.0, torch::kDouble).requires_grad_();
  Ema ema({{"w", parameter}}, /*decay=*/0.75);
  const torch::NoGradGuard no_grad;
  parameter.fill_(5.0);
  ema.update();
  parameter.fill_(6.0);
  ema.update();
  // 1 → 0.75·1 + 0.25·5 = 2 → 0.75·2 + 0.25·6 = 3
  EXPECT_TRUE(torch::equal(ema.state().at("w"), torch::full({2}, 3.0, torch::kDouble)));
  ema.swap();
  EXPECT_EQ(parameter[0].item<double>(), 3.0);
  ema.swap();
  EXPECT_EQ(parameter[0].item<double>(), 6.0);
}

}  // namespace
}  // namespace tessera::train
