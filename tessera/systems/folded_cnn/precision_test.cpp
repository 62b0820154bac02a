#include "tessera/systems/folded_cnn/precision.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tessera/core/error.h"
#include "tessera/systems/folded_cnn/test_inputs.h"

namespace tessera::folded_cnn {
namespace {

using testing::error_of;

/// A game network with biases, on images in [0, 1].
struct Fixture {
  explicit Fixture(int64_t fold, Json more = Json::object()) {
    Json values = {{"image_height", 19}, {"image_width", 25}, {"num_classes", 10}, {"fold", fold}};
    values.update(more);
    at::manual_seed(fold);
    model = make_model(FoldedCnnConfig::of(values));
    model->eval();
    const at::NoGradGuard no_grad;
    for (const auto& item : model->named_parameters()) {
      if (item.key().ends_with("bias")) item.value().uniform_(-0.2, 0.2);
    }
    images = at::rand({24, 3, 19, 25});
    logits = model->run({{"images", images}}).at("logits");
  }

  std::shared_ptr<FoldedCnn> model;
  at::Tensor images, logits;
};

TEST(Precision, bfloat16_is_within_its_rounding) {
  for (const int64_t fold : {1, 3}) {
    const Fixture here(fold);
    const at::Tensor lower = in_bfloat16(*here.model)->run({{"images", here.images}}).at("logits");
    EXPECT_EQ(lower.scalar_type(), at::kFloat);
    const Agreement seen = agreement(lower, here.logits);
    EXPECT_GT(seen.relative_error, 0);
    // Six layers of a relative rounding of 2⁻⁸.
    EXPECT_LT(seen.relative_error, 6.0 / 256);
  }
}

TEST(Precision, int8_is_within_its_steps) {
  if (!nn::runs_int8_conv()) GTEST_SKIP() << "no oneDNN convolution of integers";
  for (const int64_t fold : {1, 2, 3}) {
    const Fixture here(fold);
    const at::Tensor lower =
        in_int8(*here.model, here.images)->run({{"images", here.images}}).at("logits");
    const Agreement seen = agreement(lower, here.logits);
    EXPECT_GT(seen.relative_error, 0);
    EXPECT_LT(seen.relative_error, 0.05) << fold;
  }
}

TEST(Precision, int8_scales_are_the_calibration_s_and_larger_values_saturate) {
  if (!nn::runs_int8_conv()) GTEST_SKIP() << "no oneDNN convolution of integers";
  const Fixture here(1);
  const auto narrow = in_int8(*here.model, here.images * 0.01);
  const auto run = [&](const at::Tensor& images) {
    return narrow->run({{"images", images}}).at("logits");
  };
  EXPECT_LT(agreement(run(here.images * 0.01),
                      here.model->run({{"images", here.images * 0.01}}).at("logits"))
                .relative_error,
            0.05);
  EXPECT_GT(agreement(run(here.images), here.logits).relative_error, 0.2);
}

TEST(Precision, images_do_not_depend_on_how_many_run_at_once) {
  if (!nn::runs_int8_conv()) GTEST_SKIP() << "no oneDNN convolution of integers";
  const Fixture here(2);
  const auto model = in_int8(*here.model, here.images);
  const at::Tensor all = model->run({{"images", here.images}}).at("logits");
  const at::Tensor two = model->run({{"images", here.images.narrow(0, 4, 2)}}).at("logits");
  EXPECT_TRUE(at::allclose(all.narrow(0, 4, 2), two, 1e-5, 1e-6));
}

TEST(Precision, remainder_is_the_model_s) {
  const Fixture drop(3), pad(3, {{"remainder", "pad"}});
  const at::Tensor images = drop.images.narrow(0, 0, 5);
  EXPECT_EQ(in_bfloat16(*drop.model)->run({{"images", images}}).at("logits").size(0), 3);
  EXPECT_EQ(in_bfloat16(*pad.model)->run({{"images", images}}).at("logits").size(0), 5);
}

TEST(Precision, networks_without_an_integer_form_are_refused) {
  if (!nn::runs_int8_conv()) GTEST_SKIP() << "no oneDNN convolution of integers";
  const auto resnet = make_model(FoldedCnnConfig::of({{"arch", "folded_resnet18"}}));
  resnet->eval();
  EXPECT_EQ(error_of([&] { in_int8(*resnet, at::rand({2, 3, 32, 32})); }), "T-INT8-01");
  const Fixture here(1);
  EXPECT_EQ(error_of([&] { in_int8(*here.model, here.images - 0.5); }), "T-INT8-01");
}

TEST(Agreement, counts_classes_and_measures_the_difference) {
  const at::Tensor expected = at::tensor({3.0, 0.0, 0.0, 4.0}).view({2, 2});
  const at::Tensor logits = at::tensor({3.0, 0.0, 5.0, 4.0}).view({2, 2});
  const Agreement seen = agreement(logits, expected);
  EXPECT_DOUBLE_EQ(seen.same_class_percent, 50);
  EXPECT_NEAR(seen.relative_error, 1, 1e-12);
}

}  // namespace
}  // namespace tessera::folded_cnn
