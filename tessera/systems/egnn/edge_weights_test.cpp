#include "tessera/systems/edge_weights.h"

#include <gtest/gtest.h>

#include "tessera/core/differences_test.h"
#include "tessera/core/refused_test.h"
#include "tessera/systems/egnn/test_inputs.h"

// Weights of edges: 1 changes no bit, 0 removes the edge, and every gradient.

namespace tessera::egnn {
namespace {

using testing::random_inputs;
using testing::random_model;
using testing::relative_error;
using testing::with;

class EdgeWeights : public ::testing::TestWithParam<const char*> {
 protected:
  EdgeWeights() {
    read_config(config_,
                Json{{"architecture", GetParam()},
                     {"dim", 8},
                     {"num_layers", 2},
                     {"coord_agg", "sum"},
                     {"coord_clamp", 0.4}},
                "model");
    if (is_autoencoder()) read_config(config_, Json{{"latent_dim", 3}, {"noise_dim", 2}}, "model");
  }

  bool is_autoencoder() const { return std::string(GetParam()).ends_with("_ae"); }

  TensorMap inputs(at::ScalarType dtype, const at::Tensor& keep = {}) const {
    TensorMap all = random_inputs(config_, 6, testing::complete_graphs({4, 2}), dtype);
    if (is_autoencoder()) {
      at::manual_seed(4);
      all = {{"edge_index", complete_edges(6)},
             {"edge_attr", at::randn({30, 1}, dtype)},
             {"h", at::ones({6, 1}, dtype)},
             {"noise_coords", at::randn({6, 3}, dtype)},
             {"noise_h", at::randn({6, 2}, dtype)}};
    }
    if (!keep.defined()) return all;
    const at::Tensor index = keep.nonzero().view(-1);
    all.set("edge_index", all.at("edge_index").index_select(1, index));
    if (const at::Tensor* attr = all.find("edge_attr")) {
      all.set("edge_attr", attr->index_select(0, index));
    }
    return all;
  }
  int64_t num_edges() const { return inputs(at::kFloat).at("edge_index").size(1); }

  EgnnConfig config_;
};

TEST_P(EdgeWeights, of_one_change_no_bit) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    const auto model = random_model(config_, dtype);
    const auto results = [&](const TensorMap& in) {
      std::vector<at::Tensor> all;
      at::Tensor sum = at::zeros({}, dtype);
      for (const auto& [name, tensor] : model->run(in)) {
        all.push_back(tensor.detach().clone());
        sum = sum + tensor.square().sum();
      }
      model->zero_grad();
      sum.backward();
      for (const at::Tensor& parameter : model->parameters()) {
        if (parameter.grad().defined()) all.push_back(parameter.grad().clone());
      }
      return all;
    };
    const auto plain = results(inputs(dtype));
    const auto weighted =
        results(with(inputs(dtype), "edge_weight", at::ones({num_edges()}, dtype)));
    ASSERT_EQ(plain.size(), weighted.size());
    for (size_t i = 0; i < plain.size(); ++i) EXPECT_TRUE(at::equal(plain[i], weighted[i])) << i;
  }
}

TEST_P(EdgeWeights, of_zero_remove_the_edge) {
  if (std::string(GetParam()).starts_with("radial_field")) {
    GTEST_SKIP() << "the radial field takes means, which count the edge";
  }
  const auto model = random_model(config_, at::kDouble);
  at::manual_seed(8);
  const at::Tensor keep = at::rand({num_edges()}) < 0.6;
  const TensorMap weighted =
      model->run(with(inputs(at::kDouble), "edge_weight", keep.to(at::kDouble)));
  for (const auto& [name, tensor] : model->run(inputs(at::kDouble, keep))) {
    EXPECT_LE(relative_error(weighted.at(name), tensor), 1e-13) << name;
  }
}

TEST_P(EdgeWeights, stand_in_the_order_of_the_edges_given) {
  const auto model = random_model(config_, at::kDouble);
  at::manual_seed(10);
  const at::Tensor weight = at::rand({num_edges()}, at::kDouble),
                   order = at::randperm(num_edges(), at::kLong);
  const TensorMap in = with(inputs(at::kDouble), "edge_weight", weight);
  TensorMap shuffled = in;
  shuffled.set("edge_index", in.at("edge_index").index_select(1, order));
  for (const char* name : {"edge_attr", "edge_weight"}) {
    if (const at::Tensor* given = in.find(name)) shuffled.set(name, given->index_select(0, order));
  }
  const TensorMap outputs = model->run(shuffled);
  for (const auto& [name, tensor] : model->run(in)) {
    EXPECT_LE(relative_error(outputs.at(name), tensor), 1e-12) << name;
  }
}

TEST_P(EdgeWeights, have_the_gradient_of_finite_differences) {
  const auto model = random_model(config_, at::kDouble);
  at::manual_seed(9);
  const at::Tensor weight = at::rand({num_edges()}, at::kDouble).requires_grad_(true);
  const TensorMap in = with(inputs(at::kDouble), "edge_weight", weight);
  const auto loss = [&] {
    at::Tensor sum = at::zeros({}, at::kDouble);
    for (const auto& [name, tensor] : model->run(in)) sum = sum + tensor.square().sum();
    return sum;
  };
  loss().backward();
  EXPECT_GT(weight.grad().abs().min().item<double>(), 0);
  const at::Tensor slopes =
      tessera::testing::central_differences(weight, [&] { return loss().item<double>(); });
  EXPECT_TRUE(at::allclose(weight.grad(), slopes, 1e-6, 1e-6));
}

INSTANTIATE_TEST_SUITE_P(All, EdgeWeights,
                         ::testing::Values("egnn", "egnn_layer", "egnn_vel", "egnn_nbody", "gnn",
                                           "radial_field_vel", "egnn_ae", "gnn_ae",
                                           "radial_field_ae"),
                         [](const auto& info) { return std::string(info.param); });

TEST(EdgeWeightsInput, is_refused_beside_a_floating_mask_or_of_another_length) {
  const EgnnConfig config = EgnnConfig::of("egnn");
  const auto model = random_model(config, at::kDouble);
  const TensorMap inputs = random_inputs(config, 4, complete_edges(4), at::kDouble);
  const at::Tensor ones = at::ones({12}, at::kDouble);
  const auto refused = [&](const char* id, const TensorMap& given) {
    tessera::testing::refused(id, [&] { model->run(given); });
  };
  refused("T-EGNN-15", with(inputs, "edge_weight", ones.slice(0, 1)));
  refused("T-EGNN-19", with(with(inputs, "edge_weight", ones), "edge_mask", ones));
}

}  // namespace
}  // namespace tessera::egnn
