#include "tessera/train/precision.h"

#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>

#include "tessera/train/evaluate.h"
#include "tessera/train/toy_system_test.h"

namespace tessera::train {
namespace {

constexpr const char* kBfloat16 = "dtype = \"bfloat16\"\n";

TEST(Precision, evaluations_run_in_that_of_the_run) {
  const toy::TemporaryFolder folder;
  const Recipe recipe = toy::recipe("", "", kBfloat16);
  const TrainOutcome outcome = train(recipe, {.out = folder / "run", .run_store = "none"});
  const auto model = load_run_model(recipe, folder / "run");
  EvaluateOptions options = evaluate_options(recipe);
  EXPECT_EQ(evaluate(*model, *outcome.task, Split::kTest, options), outcome.test);
  options.run.dtype = "float32";
  const double full = evaluate(*model, *outcome.task, Split::kTest, options).front().second;
  EXPECT_NE(full, outcome.test.front().second);
  EXPECT_NEAR(full, outcome.test.front().second, 0.01);
}

TEST(Precision, predictions_run_in_that_of_the_run_and_come_back_in_float32) {
  const auto model = make_model(toy::recipe());
  model->eval();
  const TensorMap inputs{{"x", torch::randn({5, 3}, torch::kDouble)}};
  const at::Tensor full = predict(*model, inputs, toy::recipe().run).at("pred");
  const at::Tensor half = predict(*model, inputs, toy::recipe("", "", kBfloat16).run).at("pred");
  EXPECT_EQ(half.scalar_type(), torch::kFloat);
  EXPECT_FALSE(half.requires_grad());
  EXPECT_FALSE(torch::equal(half, full));
  EXPECT_TRUE(torch::allclose(half, full, 0.02, 0.02));
  EXPECT_FALSE(at::autocast::is_autocast_enabled(at::kCPU));
}

}  // namespace
}  // namespace tessera::train
