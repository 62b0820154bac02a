#include <gtest/gtest.h>

#include "tessera/systems/zoo_tuning/procedures.h"
#include "tessera/systems/zoo_tuning/test_inputs.h"
#include "tessera/systems/zoo_tuning/zoo.h"

// Every message of this folder's models and procedures, provoked.

namespace tessera::zoo_tuning {
namespace {

using testing::draw;
using testing::error_of;
using testing::images;
using testing::layer;
using testing::tiny;

std::string config_error(const Json& values) {
  return error_of([&] { ZooConfig::of(values); });
}

TEST(ZooErrors, configurations_that_contradict_themselves) {
  EXPECT_EQ(config_error({{"layer", "zoo_conv2d"}, {"block", "bottleneck"}}), "T-ZOO-01");
  EXPECT_EQ(config_error({{"layer", "zoo_conv2d"}, {"in_channels", 6}, {"groups", 4}}), "T-ZOO-02");
  EXPECT_EQ(config_error({{"network", "tiny_bottleneck"}, {"num_classes", 5}}), "T-ZOO-03");
  EXPECT_EQ(config_error({{"sources", {"a", "b"}}, {"num_sources", 3}}), "T-ZOO-04");
  EXPECT_EQ(config_error({{"method", "distillation"}}), "T-ZOO-05");
  EXPECT_EQ(config_error({{"sources", {"a"}}, {"num_sources", 1}, {"source", 1}}), "T-ZOO-06");
  EXPECT_EQ(config_error({{"network", "resnet"}}), "T-REG-01");
  EXPECT_EQ(config_error({{"block", "bottleneck"}, {"in_channels", 8}, {"downsample", false}}),
            "T-NET-04");
}

TEST(ZooErrors, values_outside_their_range) {
  for (const Json& values : std::vector<Json>{{{"num_sources", 0}},
                                              {{"lite_momentum", 0}},
                                              {{"lite_momentum", 1.5}},
                                              {{"num_classes", 1}},
                                              {{"layer", "conv"}},
                                              {{"norm", "layer"}},
                                              {{"method", "soup"}},
                                              {{"kernel_size", 0}},
                                              {{"temperature", 0}}}) {
    EXPECT_EQ(config_error(values), "T-CFG-02") << values;
  }
  EXPECT_EQ(config_error({{"experts", 5}}), "T-CFG-01");
}

TEST(ZooErrors, inputs_that_do_not_fit) {
  const auto conv = layer(), linear = layer({{"layer", "zoo_linear"}});
  const auto run = [](Model& model, const at::Tensor& x) {
    return error_of([&] { model.run({{"x", x}}); });
  };
  EXPECT_EQ(run(*conv, draw({3, 6}, 1)), "T-ZOO-10");
  EXPECT_EQ(run(*linear, draw({3, 6}, 1)), "none");
  EXPECT_EQ(run(*linear, draw({6}, 1)), "T-ZOO-10");
  EXPECT_EQ(run(*tiny(), draw({2, 4, 20, 20}, 1)), "T-ZOO-10");
  EXPECT_EQ(run(*tiny(), draw({3, 20, 20}, 1)), "T-ZOO-10");
}

TEST(ZooErrors, lite_models_that_never_trained) {
  const auto model = tiny({{"lite", true}, {"downsample_lite", true}});
  model->eval();
  EXPECT_EQ(error_of([&] { model->merged(); }), "T-ZOO-12");
  EXPECT_EQ(error_of([&] { model->predict({{"x", images(2)}}); }), "T-ZOO-13");
  // A case, or an evaluation at step 0, gets what the formulas say: nothing of the input.
  const at::Tensor features = model->run({{"x", images(2)}}).at("features");
  EXPECT_LT(testing::largest(features[0] - features[1]), 1e-15);
}

TEST(ZooErrors, gates_that_depend_on_the_input_do_not_fold) {
  EXPECT_EQ(error_of([&] { tiny()->merged(); }), "T-ZOO-11");
  try {
    tiny({{"lite", true}})->merged();
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_EQ(error.id(), "T-ZOO-11");
    EXPECT_NE(std::string(error.what()).find("layer1.0.downsample.0"), std::string::npos);
  }
}

TEST(ZooErrors, sources_that_differ_are_named_with_the_tensor) {
  const nn::Network network = tiny()->net().network();
  const auto spoiled = [&](const std::function<void(TensorMap&)>& spoil) -> std::string {
    auto sources = testing::sources(3);
    spoil(sources[1]);
    try {
      weights_from_zoo(network, sources);
    } catch (const InvalidArgument& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find("source 1"), std::string::npos) << text;
      EXPECT_NE(text.find("layer1.0.conv2.weight"), std::string::npos) << text;
      return error.id();
    }
    return "none";
  };
  const char* name = "layer1.0.conv2.weight";
  EXPECT_EQ(spoiled([](TensorMap&) {}), "none");
  EXPECT_EQ(spoiled([&](TensorMap& source) { source.erase(name); }), "T-ZOO-20");
  EXPECT_EQ(spoiled([&](TensorMap& source) {
              source.set(name, at::zeros({2, 2, 3, 3}));
            }),
            "T-ZOO-21");
  EXPECT_EQ(spoiled([&](TensorMap& source) {
              source.set(name, at::full_like(source.at(name), std::nan("")));
            }),
            "T-ZOO-22");
  EXPECT_EQ(error_of([&] { weights_from_zoo(network, {}); }), "T-ZOO-23");
}

TEST(ZooErrors, a_procedure_counts_its_sources) {
  TensorMap inputs{{"x", images(2)}};
  const auto sources = testing::sources(2);
  for (size_t i = 0; i < sources.size(); ++i) {
    inputs.merge(sources[i].prefixed("source" + std::to_string(i) + "."));
  }
  const auto run = [&](int64_t count) {
    return error_of([&] {
      procedures().front().run({{"network", "tiny"}, {"num_sources", count}}, inputs);
    });
  };
  EXPECT_EQ(run(2), "none");
  EXPECT_EQ(run(3), "T-ZOO-30");
}

}  // namespace
}  // namespace tessera::zoo_tuning
