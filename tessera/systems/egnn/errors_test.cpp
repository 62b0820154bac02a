#include <gtest/gtest.h>

#include "tessera/core/error.h"
#include "tessera/systems/egnn/test_inputs.h"

// Every message of this folder's models, provoked.

namespace tessera::egnn {
namespace {

using testing::random_inputs;
using testing::random_model;
using testing::with;

/// The identifier of the error that `action` throws, or "none".
template <class Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find('['), std::string::npos) << error.what();
    return error.id();
  }
  return "none";
}

std::string config_error(const Json& values) {
  return error_of([&] {
    EgnnConfig config;
    read_config(config, values, "model");
  });
}

TEST(EgnnErrors, configurations_that_contradict_themselves) {
  EXPECT_EQ(config_error({{"architecture", "egnn_layer"}, {"node_in_dim", 6}}), "T-EGNN-01");
  EXPECT_EQ(config_error({{"architecture", "tfn"}, {"coord_dim", 2}}), "T-EGNN-03");
  EXPECT_EQ(config_error({{"architecture", "egnn_qm9"}, {"update_coords", true}}), "T-EGNN-04");
  EgnnConfig config;
  config.coord_weight = std::numeric_limits<double>::infinity();
  EXPECT_EQ(error_of([&] { make_model(config); }), "T-EGNN-02");
}

TEST(EgnnErrors, values_outside_their_range) {
  for (const Json& values : std::vector<Json>{{{"architecture", "egnm"}},
                                              {{"dim", 0}},
                                              {{"edge_in_dim", -1}},
                                              {{"coord_clamp", 0}},
                                              {{"coord_agg", "max"}},
                                              {{"coord_norm", "l2"}},
                                              {{"activation", "tanh"}},
                                              {{"coord_reg", -0.1}}}) {
    EXPECT_EQ(config_error(values), "T-CFG-02") << values;
  }
  EXPECT_EQ(config_error({{"hiden_dim", 3}}), "T-CFG-01");
}

class EgnnInputErrors : public ::testing::Test {
 protected:
  EgnnInputErrors() {
    config_ = EgnnConfig::of("egnn_vel");
    model_ = random_model(config_, at::kFloat);
    inputs_ = random_inputs(config_, 4, complete_edges(4), at::kFloat);
  }
  std::string run_with(const std::string& name, const at::Tensor& tensor) {
    return error_of([&] { model_->run(with(inputs_, name, tensor)); });
  }

  EgnnConfig config_;
  std::shared_ptr<Model> model_;
  TensorMap inputs_;
};

TEST_F(EgnnInputErrors, good_inputs_pass) {
  EXPECT_EQ(error_of([&] { model_->run(inputs_); }), "none");
}

TEST_F(EgnnInputErrors, missing_inputs) {
  for (const char* name : {"h", "x", "vel", "edge_index", "edge_attr"}) {
    TensorMap inputs = inputs_;
    inputs.erase(name);
    EXPECT_NE(error_of([&] { model_->run(inputs); }), "none") << name;
  }
}

TEST_F(EgnnInputErrors, widths_that_are_not_the_configured_ones) {
  EXPECT_EQ(run_with("h", at::randn({4, 2})), "T-EGNN-10");
  EXPECT_EQ(run_with("x", at::randn({4, 2})), "T-EGNN-10");
  EXPECT_EQ(run_with("x", at::randn({4})), "T-EGNN-10");
  EXPECT_EQ(run_with("edge_attr", at::randn({12, 3})), "T-EGNN-10");
}

TEST_F(EgnnInputErrors, row_counts_that_differ) {
  EXPECT_EQ(run_with("x", at::randn({5, 3})), "T-EGNN-11");
  EXPECT_EQ(run_with("vel", at::randn({3, 3})), "T-EGNN-11");
  EXPECT_EQ(run_with("edge_attr", at::randn({11, 2})), "T-EGNN-11");
}

TEST_F(EgnnInputErrors, dtypes_that_are_not_the_parameters) {
  EXPECT_EQ(run_with("x", at::randn({4, 3}, at::kDouble)), "T-EGNN-12");
}

TEST_F(EgnnInputErrors, edge_attributes_against_the_configuration) {
  TensorMap inputs = inputs_;
  inputs.erase("edge_attr");
  EXPECT_EQ(error_of([&] { model_->run(inputs); }), "T-EGNN-13");
  const EgnnConfig plain = EgnnConfig::of("egnn");
  const auto model = random_model(plain, at::kFloat);
  EXPECT_EQ(error_of([&] { model->run(inputs_); }), "T-EGNN-13");
}

TEST_F(EgnnInputErrors, coordinates_that_are_not_finite) {
  at::Tensor x = inputs_.at("x").clone();
  x[2][1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(run_with("x", x), "T-EGNN-14");
  x[2][1] = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(run_with("x", x), "T-EGNN-14");
  EXPECT_EQ(run_with("x", at::full({4, 3}, 3e38)), "none");
}

TEST_F(EgnnInputErrors, edge_indices_of_the_wrong_shape_or_range) {
  at::Tensor edges = complete_edges(4);
  EXPECT_EQ(run_with("edge_index", edges.t().contiguous()), "T-EGNN-09");
  EXPECT_EQ(run_with("edge_index", edges.to(at::kFloat)), "T-EGNN-09");
  EXPECT_EQ(run_with("edge_index", edges[0]), "T-EGNN-09");
  edges[0][3] = 4;
  EXPECT_NE(run_with("edge_index", edges), "none");
  edges[0][3] = -1;
  EXPECT_NE(run_with("edge_index", edges), "none");
}

TEST_F(EgnnInputErrors, masks_of_the_wrong_length) {
  EXPECT_EQ(run_with("edge_mask", at::ones({11}, at::kBool)), "T-EGNN-15");
}

TEST(EgnnErrors, adjacencies_that_are_not_one_undirected_graph) {
  const auto model = random_model(EgnnConfig::of("egnn_ae"), at::kFloat);
  const auto run = [&](const at::Tensor& adj) {
    return error_of([&] { model->run({{"adj", adj}}); });
  };
  const at::Tensor good = at::ones({3, 3}) - at::eye(3);
  EXPECT_EQ(run(good), "none");
  EXPECT_EQ(run(good.to(at::kByte)), "none");
  EXPECT_EQ(run(at::ones({3, 2})), "T-EGNN-16");
  EXPECT_EQ(run(at::ones({3})), "T-EGNN-16");
  EXPECT_EQ(run(good * 0.5), "T-EGNN-16");
  EXPECT_EQ(run(good.triu()), "T-EGNN-16");
  EXPECT_EQ(run(at::ones({3, 3})), "T-EGNN-16");
  EXPECT_EQ(error_of([&] {
              model->run({{"adj", good}, {"noise_coords", at::randn({4, 8})}});
            }),
            "T-EGNN-11");
}

TEST(EgnnErrors, batches_of_molecules_that_do_not_fit) {
  EgnnConfig config = EgnnConfig::of("egnn_qm9");
  config.num_nodes = 3;
  const auto model = random_model(config, at::kFloat);
  const TensorMap inputs = random_inputs(config, 4, complete_edges(4), at::kFloat);
  EXPECT_EQ(error_of([&] { model->run(inputs); }), "T-EGNN-17");
  const TensorMap fits = with(inputs, "num_nodes", at::tensor({2}));
  EXPECT_EQ(error_of([&] { model->run(fits); }), "none");
  EXPECT_EQ(error_of([&] { model->run(with(fits, "node_mask", at::ones({5}))); }), "T-EGNN-18");
  EXPECT_EQ(error_of([&] { model->run(with(fits, "num_nodes", at::tensor({-1}))); }), "T-EGNN-17");
}

}  // namespace
}  // namespace tessera::egnn
