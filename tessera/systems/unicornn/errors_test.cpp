#include <gtest/gtest.h>

#include <limits>

#include "tessera/core/refused_test.h"
#include "tessera/systems/unicornn/losses.h"
#include "tessera/systems/unicornn/procedures.h"
#include "tessera/systems/unicornn/test_models.h"

// Every message of this folder, provoked.

namespace tessera::unicornn {
namespace {

using testing::config_of;
using testing::draw;
using testing::model_of;
using testing::small;

using tessera::testing::refused;

std::string config_refused(const std::string& id, const Json& values) {
  return refused(id, [&] { config_of(values); });
}

TEST(UnicornnErrors, configurations_that_cannot_be) {
  config_refused("T-UNI-01", {{"dt", "fast"}});
  config_refused("T-UNI-01", {{"dt", {0.1, "fast", 0.1}}});
  config_refused("T-UNI-02", {{"dt", 0}});
  config_refused("T-UNI-02", {{"dt", {0.1, -0.1, 0.1}}});
  config_refused("T-UNI-02", {{"dt", std::numeric_limits<double>::quiet_NaN()}});
  const std::string lengths = config_refused("T-UNI-03", {{"dt", {0.1, 0.2}}});
  EXPECT_NE(lengths.find("each of the 3 layers, but got 2"), std::string::npos) << lengths;
  config_refused("T-UNI-03", {{"dt", Json::array({0.1})}});
  config_refused("T-UNI-04", {{"dropout", 1}});
  config_refused("T-UNI-04", {{"embed_dropout", 1}});
  config_refused("T-UNI-05", {{"vocab_size", 5}, {"pad_id", 5}});
  config_refused("T-UNI-06", {{"scope", "recurrence"}, {"num_layers", 2}, {"dt", {0.1, 0.1}}});
}

TEST(UnicornnErrors, values_outside_their_range) {
  for (const Json& values : std::vector<Json>{{{"alpha", -1}},
                                              {{"dropout", -0.1}},
                                              {{"dropout", 1.5}},
                                              {{"input_dim", 0}},
                                              {{"hidden_dim", 0}},
                                              {{"num_layers", 0}},
                                              {{"num_classes", 0}},
                                              {{"residual", "some"}},
                                              {{"residual_skip", 0}},
                                              {{"backward", "forward"}},
                                              {{"scope", "layer"}},
                                              {{"architecture", "transformer"}},
                                              {{"max_len", 0}},
                                              {{"vocab_size", 0}}}) {
    config_refused("T-CFG-02", values);
  }
  config_refused("T-CFG-01", {{"hiden_dim", 3}});
}

TEST(UnicornnErrors, inputs_that_do_not_fit) {
  const auto model = model_of(small({{"max_len", 20}}));
  const at::Tensor x = draw({10, 2, 3});
  const auto run = [&](const std::string& id, const TensorMap& inputs) {
    return refused(id, [&] { model->run(inputs); });
  };
  EXPECT_NO_THROW(model->run({{"x", x}}));
  EXPECT_THROW(model->run({{"y", x}}), InvalidArgument);
  run("T-UNI-10", {{"x", x[0]}});
  run("T-UNI-10", {{"x", draw({10, 2, 4})}});
  run("T-UNI-11", {{"x", draw({0, 2, 3})}});
  run("T-UNI-11", {{"x", draw({10, 0, 3})}});
  run("T-UNI-12", {{"x", x.to(at::kFloat)}});
  run("T-UNI-15", {{"x", draw({21, 2, 3})}});
  run("T-UNI-16", {{"x", x}, {"y0", draw({3, 1, 7})}});
  run("T-UNI-16", {{"x", x}, {"z0", draw({2, 7})}});
  run("T-UNI-16", {{"x", x}, {"noise_dropout", draw({3, 2, 8})}});
  run("T-UNI-12", {{"x", x}, {"y0", draw({3, 2, 7}).to(at::kFloat)}});
}

TEST(UnicornnErrors, tokens_that_do_not_fit) {
  const auto model = model_of(small({{"vocab_size", 5}}));
  const auto run = [&](const std::string& id, const at::Tensor& x) {
    return refused(id, [&] { model->run({{"x", x}}); });
  };
  run("T-UNI-10", at::zeros({10, 2, 3}));
  run("T-UNI-13", at::zeros({10, 2}));
  EXPECT_NE(run("T-UNI-14", at::full({10, 2}, 5, at::kLong)).find("[0, 5), but got 5"),
            std::string::npos);
  run("T-UNI-14", at::full({10, 2}, -1, at::kLong));
  refused("T-UNI-16", [&] {
    model->run({{"x", at::zeros({10, 2}, at::kLong)}, {"noise_embedding", draw({4, 1})}});
  });
}

TEST(UnicornnErrors, procedures_and_losses) {
  const auto run = [](const std::string& id, const std::string& name, const Json& config,
                      const TensorMap& inputs) {
    const auto all = procedures();
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const Procedure& known) { return known.name == name; });
    refused(id, [&] { found->run(config, inputs); });
  };
  run("T-UNI-30", "reconstruct", {{"dt", 0.1}},
      {{"x", draw({4, 2, 3})}, {"weight/weight_hh", draw({2})}, {"weight/c_", draw({2})}});
  run("T-UNI-31", "noise_padded_cifar", {{"length", 8}}, {{"images", draw({2, 3, 32, 32})}});
  run("T-UNI-31", "noise_padded_cifar", Json::object(), {});
  run("T-UNI-32", "noise_padded_cifar", {{"length", 40}},
      {{"images", draw({2, 3, 32, 32})}, {"noise", draw({1, 9, 96})}});
  refused("T-UNI-33", [] {
    trace_loss({{"name", "hinge"}}, {{"logits", draw({2, 1})}}, {{"y", draw({2})}});
  });
}

}  // namespace
}  // namespace tessera::unicornn
