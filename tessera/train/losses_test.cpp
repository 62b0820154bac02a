#include "tessera/train/losses.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>

#include "tessera/core/error.h"

namespace tessera::train {
namespace {

double loss(const char* name, const TensorMap& outputs, const TensorMap& inputs) {
  return generic_loss(Json{{"name", name}}, outputs, inputs).item<double>();
}

TEST(Losses, mean_squares_and_mean_distances) {
  const TensorMap outputs{{"x", torch::tensor({1.0, 2.0})}};
  const TensorMap inputs{{"x", torch::zeros(9)}, {"target", torch::tensor({0.0, 4.0})}};
  EXPECT_DOUBLE_EQ(loss("mse", outputs, inputs), 2.5);
  EXPECT_DOUBLE_EQ(loss("l1", outputs, inputs), 1.5);
}

TEST(Losses, entropies_are_summed_and_finite_at_zero_and_one) {
  const auto pred = torch::tensor({{0.0, 0.5}, {0.25, 1.0}}, torch::kDouble).requires_grad_();
  const auto adj = torch::tensor({{0.0, 1.0}, {0.0, 0.0}}, torch::kDouble);
  const TensorMap outputs{{"adj_pred", pred}, {"x", torch::ones(1)}};
  const auto value = generic_loss(Json{{"name", "bce_sum"}}, outputs, {{"adj", adj}});
  EXPECT_NEAR(value.item<double>(), -std::log(0.5) - std::log(0.75) + 100, 1e-12);
  EXPECT_NEAR(loss("bce", outputs, {{"adj", adj}}) * 4, value.item<double>(), 1e-12);
  value.backward();
  EXPECT_EQ(pred.grad()[0][0].item<double>(), 0.0);
}

TEST(Losses, classes_are_on_the_last_axis) {
  const TensorMap outputs{{"logits", torch::zeros({2, 3, 5})}};
  const auto targets = torch::zeros({2, 3}, torch::kLong);
  EXPECT_NEAR(loss("cross_entropy", outputs, {{"labels", targets}}), std::log(5), 1e-6);
  auto selected = torch::zeros({2, 3}, torch::kBool);
  selected[1][2] = true;
  auto logits = torch::zeros({2, 3, 5});
  logits[1][2][0] = 50;
  EXPECT_NEAR(loss("cross_entropy_selected", {{"logits", logits}},
                   {{"targets", targets}, {"selected", selected}}),
              0, 1e-6);
}

TEST(Losses, a_prediction_is_found_among_states) {
  const TensorMap outputs{{"h_n", torch::ones(1)}, {"prediction", torch::full(1, 3.0)}};
  EXPECT_EQ(loss("mse", outputs, {{"target", torch::zeros(1)}}), 9);
}

TEST(Losses, names_can_be_given) {
  const Json spec = {{"name", "mse"}, {"output", "b"}, {"target", "c"}};
  const TensorMap outputs{{"a", torch::ones(1)}, {"b", torch::ones(1)}};
  EXPECT_EQ(generic_loss(spec, outputs, {{"c", torch::zeros(1)}}).item<float>(), 1);
}

TEST(Losses, what_does_not_fit_is_refused) {
  const TensorMap outputs{{"pred", torch::ones(2)}};
  EXPECT_THROW(loss("mse", outputs, {{"target", torch::ones({2, 1})}}), InvalidArgument);
  EXPECT_THROW(loss("mse", outputs, {{"aim", torch::ones(2)}}), InvalidArgument);
  EXPECT_THROW(loss("hinge", outputs, {{"target", torch::ones(2)}}), InvalidArgument);
  EXPECT_THROW(loss("cross_entropy", outputs, {{"target", torch::ones(2)}}), InvalidArgument);
}

}  // namespace
}  // namespace tessera::train
