#include <gtest/gtest.h>

#include "tessera/systems/folded_cnn/block_diagonal.h"
#include "tessera/systems/folded_cnn/curriculum.h"
#include "tessera/systems/folded_cnn/procedures.h"
#include "tessera/systems/folded_cnn/test_inputs.h"

// Every message of this folder's models and procedures, provoked.

namespace tessera::folded_cnn {
namespace {

using testing::error_of;
using testing::random_images;
using testing::small_config;
using testing::small_model;

std::string config_error(const Json& values) {
  return error_of([&] { FoldedCnnConfig::of(values); });
}

TEST(FoldedCnnErrors, configurations_that_contradict_themselves) {
  EXPECT_EQ(config_error({{"preset", "coral"}, {"arch", "game_cnn"}}), "T-FCNN-01");
  EXPECT_EQ(config_error({{"fold", 2}, {"do_fold", false}}), "T-FCNN-02");
  EXPECT_EQ(config_error({{"fold", 2}, {"compound_phi", 1}}), "T-FCNN-03");
  EXPECT_EQ(config_error({{"arch", "noscope_cnn"}, {"compound_phi", 1}}), "T-FCNN-03");
  EXPECT_EQ(config_error({{"num_conv_layers", 3}}), "T-FCNN-04");
  EXPECT_EQ(config_error({{"compound_phi", 1}, {"width_mult", 3.0}, {"first_channels", 2}}),
            "T-NET-08");
  EXPECT_EQ(
      config_error(
          {{"compound_phi", 1}, {"width_mult", 6.0}, {"res_mult", 1.0}, {"last_channels", 32}}),
      "T-FCNN-05");
  EXPECT_EQ(config_error({{"preset", "corral"}}), "T-REG-01");
}

TEST(FoldedCnnErrors, values_outside_their_range) {
  for (const Json& values : std::vector<Json>{{{"arch", "game"}},
                                              {{"fold", 0}},
                                              {{"fold", -2}},
                                              {{"width_multiplier", 0}},
                                              {{"num_classes", 0}},
                                              {{"num_units", -1}},
                                              {{"convs_per_unit", 0}},
                                              {{"res_mult", 0.9}},
                                              {{"loss", "hinge"}},
                                              {{"remainder", "keep"}},
                                              {{"bytes_per_element", 0}}}) {
    EXPECT_EQ(config_error(values), "T-CFG-02") << values;
  }
  EXPECT_EQ(config_error({{"folds", 2}}), "T-CFG-01");
}

TEST(FoldedCnnErrors, widths_that_vanish_and_images_too_small_are_named) {
  EXPECT_EQ(config_error({{"width_multiplier", 0.1}}), "T-FOLD-03");
  try {
    FoldedCnnConfig::of({{"image_height", 6}, {"image_width", 6}});
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_EQ(error.id(), "T-NET-03");
    EXPECT_NE(std::string(error.what()).find("conv.9"), std::string::npos) << error.what();
  }
}

TEST(FoldedCnnErrors, inputs_that_do_not_fit) {
  const auto model = small_model({{"fold", 3}});
  const at::Tensor images = random_images(6);
  const auto run = [&](const TensorMap& inputs) { return error_of([&] { model->run(inputs); }); };
  EXPECT_EQ(run({{"images", random_images(2)}}), "T-FCNN-10");
  EXPECT_EQ(run({{"images", images.narrow(1, 0, 2)}}), "T-FCNN-11");
  EXPECT_EQ(run({{"images", images.narrow(3, 0, 13)}}), "T-FCNN-11");
  EXPECT_EQ(run({{"images", images.to(at::kByte)}}), "T-FCNN-11");
  const auto with = [&](const at::Tensor& target) {
    return run({{"images", images}, {"target", target}});
  };
  EXPECT_EQ(with(at::zeros({6}, at::kLong)), "none");
  EXPECT_EQ(with(at::zeros({5}, at::kLong)), "T-FCNN-12");
  EXPECT_EQ(with(at::zeros({6, 1}, at::kLong)), "T-FCNN-12");
  EXPECT_EQ(with(at::full({6}, 5, at::kLong)), "T-FCNN-13");
  EXPECT_EQ(with(at::full({6}, -1, at::kLong)), "T-FCNN-13");
  EXPECT_EQ(with(at::zeros({6, 5}, at::kDouble)), "none");
  EXPECT_EQ(with(at::zeros({6, 4}, at::kDouble)), "T-FCNN-14");
  EXPECT_EQ(error_of([&] { loss_of("mse_logits", images, at::zeros({6}, at::kLong)); }),
            "T-FCNN-14");
}

TEST(FoldedCnnErrors, distillation_needs_a_teachers_logits) {
  const auto model = small_model({{"fold", 2}, {"loss", "mse_logits"}});
  const TensorMap inputs{{"images", random_images(4)}, {"target", at::zeros({4}, at::kLong)}};
  EXPECT_TRUE(model->run(inputs).contains("cross_entropy"));
  model->train();
  EXPECT_EQ(error_of([&] { model->run(inputs); }), "T-FCNN-14");
}

TEST(FoldedCnnErrors, curricula_and_arguments_of_procedures) {
  const CurriculumRules published = CurriculumRules::published(10, 2);
  for (const Json& json : std::vector<Json>{{{"init_classes", 0}},
                                            {{"steps", Json::array()}},
                                            {{"steps", {{0, 1}}}},
                                            {{"steps", {{1, 0}}}},
                                            {{"steps", {{1}}}},
                                            {{"init_classes", "two"}},
                                            {{"gap", 3}}}) {
    EXPECT_EQ(error_of([&] { CurriculumRules::of(json, published); }), "T-FCNN-30") << json;
  }
  const auto all = procedures();
  for (const Procedure& procedure : all) {
    if (procedure.name == "block_diagonal") continue;
    EXPECT_EQ(error_of([&] {
                procedure.run({{"num_classes", "x"}}, {});
              }),
              "T-FCNN-31")
        << procedure.name;
  }
  const Procedure& block = all.back();
  EXPECT_EQ(error_of([&] {
              block.run({{"fold", 2}}, {{"images", random_images(4)}});
            }),
            "T-NET-09");
}

}  // namespace
}  // namespace tessera::folded_cnn
