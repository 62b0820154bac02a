#pragma once

#include <gtest/gtest.h>
#include <torch/types.h>

#include <string>

#include "tessera/core/refused_test.h"
#include "tessera/systems/ugs/search.h"

/// For tests: small directed graphs, and what a refusal says.
namespace tessera::ugs::testing {

using tessera::testing::refused;

struct Example {
  static constexpr int64_t kNodes = 17, kEdges = 70, kFeatures = 9;
  at::Tensor edges, x, soft, hard;

  explicit Example(uint64_t seed = 1) {
    auto generator = at::detail::createCPUGenerator(seed);
    const at::Tensor places = std::get<0>(
        torch::randperm(kNodes * kNodes, generator, at::kLong).narrow(0, 0, kEdges).sort());
    edges = at::stack({places.div(kNodes, "floor"), places.remainder(kNodes)});
    x = torch::randn({kNodes, kFeatures}, generator, at::kDouble);
    soft = torch::rand({kEdges}, generator, at::kDouble);
    hard = (torch::rand({kEdges}, generator, at::kDouble) > 0.25).to(at::kDouble);
  }
  Graph graph() const { return {.edges = edges, .num_nodes = kNodes}; }
  EdgeMasks masks() const { return {.soft = soft, .hard = hard}; }
};

inline UgsConfig small_config(const std::string& model, const Json& more = Json::object()) {
  Json values = {{"model", model}, {"num_nodes", Example::kNodes}};
  if (model == "resgcn") {
    values.update({{"input_dim", Example::kFeatures},
                   {"hidden_dim", 6},
                   {"num_layers", 3},
                   {"num_classes", 4}});
  } else {
    values["dims"] = {Example::kFeatures, 6, 4};
    if (model == "gat") values["num_heads"] = 3;
  }
  values.update(more);
  return UgsConfig::of(values);
}

inline std::shared_ptr<UgsModel> small_model(const std::string& model,
                                             const Json& more = Json::object()) {
  torch::manual_seed(3);
  auto made = make_model(small_config(model, more));
  made->to(at::kDouble);
  made->eval();
  return made;
}

inline void expect_close(const at::Tensor& a, const at::Tensor& b, double tolerance = 1e-12) {
  ASSERT_EQ(a.sizes(), b.sizes());
  EXPECT_LE((a - b).abs().max().item<double>(), tolerance);
}

}  // namespace tessera::ugs::testing
