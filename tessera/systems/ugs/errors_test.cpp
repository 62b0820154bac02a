#include <gtest/gtest.h>

#include "tessera/systems/ugs/procedures.h"
#include "tessera/systems/ugs/test_inputs.h"

// Every message of this folder, provoked.

namespace tessera::ugs {
namespace {

using testing::Example;
using testing::refused;
using testing::small_model;

void config_refused(const std::string& id, const Json& values) {
  refused(id, [&] { UgsConfig::of(values); });
}

TEST(UgsErrors, configurations_that_cannot_be) {
  config_refused("T-UGS-01", {{"dims", {3, 2}}, {"masked_layers", "some"}});
  config_refused("T-UGS-01", {{"dims", {3, 2}}, {"masked_layers", {-1}}});
  config_refused("T-UGS-02", {{"dims", {3, 2}}, {"training", 1}});
  config_refused("T-UGS-03", {{"dims", {3, 2}}, {"dropout", 1}});
  config_refused("T-UGS-03", {{"dims", {3, 2}}, {"graph_prune_rate", 1}});
  config_refused("T-UGS-04", {{"dims", Json::array({3})}});
  config_refused("T-UGS-04", {{"dims", {3, 0, 2}}});
  config_refused("T-UGS-05", {{"model", "gin"}, {"dims", {3, 2}}});
  config_refused("T-UGS-05", {{"model", "gat"}, {"dims", {3, 2, 2, 2}}});
  config_refused("T-UGS-06", {{"dims", {3, 2}}, {"edge_mask_mode", "logit"}});
  refused("T-UGS-04", [] { UgsModel model(UgsConfig::of(Json::object())); });
}

TEST(UgsErrors, values_outside_their_range) {
  for (const Json& values : std::vector<Json>{{{"graph_l1", -1}},
                                              {{"weight_prune_rate", -0.1}},
                                              {{"weight_prune_rate", 1.5}},
                                              {{"mask_epochs", 0}},
                                              {{"retrain_epochs", 0}},
                                              {{"num_rounds", 0}},
                                              {{"lr", 0}},
                                              {{"weight_decay", -1}},
                                              {{"model", "sage"}},
                                              {{"mask_init", "ones"}},
                                              {{"num_heads", 0}}}) {
    SCOPED_TRACE(values.dump());
    EXPECT_THROW(UgsConfig::of(values), InvalidArgument);
  }
}

TEST(UgsErrors, graphs_that_cannot_be) {
  const Example it;
  refused("T-UGS-12", [&] { make_graph(it.edges.to(at::kInt), 17); });
  refused("T-UGS-12", [&] { make_graph(it.edges.t(), 17); });
  const std::string outside = refused("T-UGS-13", [&] { make_graph(it.edges, 5); });
  EXPECT_NE(outside.find("[0, 5)"), std::string::npos) << outside;
  const at::Tensor twice = torch::tensor({{0, 1, 0}, {1, 0, 1}}, at::kLong);
  const std::string seen = refused("T-UGS-14", [&] { make_graph(twice, 2); });
  EXPECT_NE(seen.find("(0, 1)"), std::string::npos) << seen;
}

TEST(UgsErrors, a_negative_degree_names_its_node) {
  const Graph graph{.edges = torch::tensor({{1}, {0}}, at::kLong), .num_nodes = 2};
  const std::string message = refused("T-PROP-03", [&] {
    propagate_normalized(torch::ones({2, 1}), graph, torch::tensor({-1.5f}));
  });
  EXPECT_NE(message.find("node 1"), std::string::npos) << message;
}

TEST(UgsErrors, inputs_that_do_not_fit) {
  const Example it;
  const auto model = small_model("gcn");
  const TensorMap right = {{"x", it.x}, {"edge_index", it.edges}};
  const auto with = [&](const char* name, const at::Tensor& tensor) {
    TensorMap inputs = right;
    inputs.set(name, tensor);
    return inputs;
  };
  refused("T-UGS-16", [&] { model->run(with("x", it.x.narrow(0, 0, 5))); });
  refused("T-UGS-17", [&] { model->run(with("x", it.x.narrow(1, 0, 5))); });
  refused("T-UGS-17", [&] { model->run(with("x", it.x.flatten())); });
  refused("T-UGS-18", [&] { model->run(with("x", it.x / 0)); });
  refused("T-UGS-19", [&] { model->run(with("edge_mask_train", it.soft.narrow(0, 0, 5))); });
  const at::Tensor logits = model->run(right).at("logits");
  const at::Tensor labels = torch::full({Example::kNodes}, 4, at::kLong);
  refused("T-UGS-20", [&] { cross_entropy(logits, labels, torch::empty({0}, at::kLong)); });
  refused("T-UGS-21", [&] { cross_entropy(logits, labels, torch::arange(3, at::kLong)); });
}

TEST(UgsErrors, nothing_is_left_to_prune) {
  const std::string message = refused("T-UGS-15", [] { prune({torch::zeros({4})}, 0.1); });
  EXPECT_NE(message.find("nothing left to prune"), std::string::npos) << message;
}

}  // namespace
}  // namespace tessera::ugs
