#include <gtest/gtest.h>

#include <map>

#include "tessera/systems/egnn/autoencoder.h"
#include "tessera/systems/egnn/egcl_layer.h"
#include "tessera/systems/egnn/test_inputs.h"
#include "tessera/systems/egnn/weights.h"

// What the authors' code does that is easy to get wrong: parameters and their draws, aggregations,
// clamps, unused parameters; and every gradient against finite differences.

namespace tessera::egnn {
namespace {

using testing::random_inputs;
using testing::random_model;
using testing::relative_error;
using testing::with;

EgnnConfig config_of(const Json& values) {
  EgnnConfig config;
  read_config(config, values, "model");
  return config;
}

int64_t parameter_count(const Model& model) {
  int64_t count = 0;
  for (const at::Tensor& parameter : model.parameters()) count += parameter.numel();
  return count;
}

TEST(EgnnConfig, defaults_follow_the_architecture) {
  EXPECT_FALSE(EgnnConfig::of("egnn").coord_clamp);
  EXPECT_EQ(EgnnConfig::of("egnn_vel").coord_clamp, 100.0);
  EXPECT_EQ(EgnnConfig::of("radial_field_ae").coord_clamp, 100.0);
  EXPECT_TRUE(EgnnConfig::of("egnn_qm9").attention);
  EXPECT_FALSE(EgnnConfig::of("egnn_vel").attention);
  EXPECT_EQ(EgnnConfig::of("egnn_nbody").activation, "leaky_relu");
  const Json off = {{"coord_clamp", nullptr}, {"architecture", "egnn_vel"}};
  EXPECT_FALSE(config_of(off).coord_clamp);
  EXPECT_FALSE(config_of({{"architecture", "egnn_qm9"}, {"attention", false}}).attention);
}

TEST(EgnnModels, parameter_counts_are_the_authors) {
  const std::vector<std::pair<Json, int64_t>> counts = {
      {{{"architecture", "egnn_vel"}}, 134020},
      {{{"architecture", "gnn"}}, 104387},
      {{{"architecture", "radial_field_vel"}}, 2052},
      {{{"architecture", "egnn_qm9"}, {"dim", 128}, {"num_layers", 7}}, 745224},
      {{{"architecture", "egnn_ae"}}, 104642},
      {{{"architecture", "gnn_ae"}}, 88017},
      {{{"architecture", "radial_field_ae"}}, 1218},
      {{{"architecture", "linear_dynamics"}}, 1},
      {{{"architecture", "identity"}}, 0}};
  for (const auto& [config, count] : counts) {
    EXPECT_EQ(parameter_count(*make_model(config_of(config))), count) << config;
  }
}

TEST(EgnnModels, a_seed_draws_the_authors_weights) {
  // Sums over the authors' modules built after torch.manual_seed(7), each parameter's sum weighted
  // by its place in the alphabet: any other order of draws changes them.
  const std::map<std::string, double> recorded = {
      {"egnn", 43.146462728},       {"egnn_vel", 56.339967541},
      {"egnn_nbody", 58.571811654}, {"gnn", 110.637214668},
      {"linear", -0.835774615},     {"radial_field_vel", -29.865290356},
      {"egnn_ae", 3.715943094},     {"gnn_ae", -46.035059486},
      {"egnn_qm9", 87.407169454},   {"radial_field_ae", -13.161828343}};
  for (const auto& [name, expected] : recorded) {
    Json values = {{"architecture", name}, {"dim", 8}, {"num_layers", 2}};
    if (name == "egnn" || name == "gnn") values["attention"] = true;
    at::manual_seed(7);
    const auto model = make_model(config_of(values));
    std::map<std::string, double> sums;
    for (const auto& item : model->named_parameters()) {
      sums[item.key()] = item.value().detach().to(at::kDouble).sum().item<double>();
    }
    double weighted = 0;
    int64_t place = 0;
    for (const auto& [parameter, sum] : sums) weighted += ++place * sum;
    EXPECT_NEAR(weighted, expected, 1e-6) << name;
  }
}

TEST(EgnnModels, a_layer_by_itself_changes_the_width_of_features) {
  const EgnnConfig config = config_of({{"architecture", "egnn_layer"},
                                       {"node_in_dim", 6},
                                       {"node_out_dim", 9},
                                       {"residual", false}});
  const auto model = random_model(config, at::kDouble);
  EXPECT_TRUE(weights_of(*model).contains("edge_mlp.0.weight"));
  const TensorMap out = model->run(random_inputs(config, 4, complete_edges(4), at::kDouble));
  EXPECT_EQ(out.at("h").sizes(), (std::vector<int64_t>{4, 9}));
  EXPECT_EQ(out.at("x").sizes(), (std::vector<int64_t>{4, 3}));
}

TEST(EgnnModels, frozen_coordinates_are_returned_as_they_came) {
  const EgnnConfig config = config_of({{"architecture", "egnn"}, {"update_coords", false}});
  const auto model = random_model(config, at::kDouble);
  EXPECT_FALSE(weights_of(*model).contains("gcl_0.coord_mlp.0.weight"));
  const TensorMap inputs = random_inputs(config, 4, complete_edges(4), at::kDouble);
  EXPECT_TRUE(at::equal(model->run(inputs).at("x"), inputs.at("x")));
}

TEST(Egcl, the_first_row_of_the_edge_index_receives) {
  const EgnnConfig config = EgnnConfig::of("egnn");
  const auto model = random_model(config, at::kDouble);
  const at::Tensor edge = at::tensor({0, 1}, at::kLong).view({2, 1});
  const TensorMap inputs = random_inputs(config, 2, edge, at::kDouble);
  const at::Tensor x = model->run(inputs).at("x");
  EXPECT_FALSE(at::equal(x[0], inputs.at("x")[0]));
  EXPECT_TRUE(at::equal(x[1], inputs.at("x")[1]));
}

TEST(Egcl, coordinates_take_the_mean_and_features_the_sum_of_their_messages) {
  // The same edge twice: a mean does not see it, a sum does.
  const at::Tensor once = at::tensor({0, 1}, at::kLong).view({2, 1}),
                   twice = at::cat({once, once}, 1);
  for (const char* agg : {"mean", "sum"}) {
    const EgnnConfig config = config_of({{"architecture", "egnn_layer"}, {"coord_agg", agg}});
    const auto model = random_model(config, at::kDouble);
    const TensorMap inputs = random_inputs(config, 2, once, at::kDouble);
    const TensorMap a = model->run(inputs), b = model->run(with(inputs, "edge_index", twice));
    const at::Tensor step = a.at("x") - inputs.at("x");
    const double factor = std::string(agg) == "mean" ? 1 : 2;
    EXPECT_LE(relative_error(b.at("x") - inputs.at("x"), step * factor), 1e-14) << agg;
    EXPECT_GT(relative_error(b.at("h"), a.at("h")), 1e-3) << agg;
  }
}

TEST(Egcl, clamp_bounds_each_component_and_stops_its_gradient) {
  EgnnConfig config = EgnnConfig::of("egnn_layer");
  const at::Tensor edge = at::tensor({0, 1}, at::kLong).view({2, 1});
  TensorMap inputs = random_inputs(config, 2, edge, at::kDouble);
  inputs.set("x", at::tensor({500.0, 0.5, -500.0, 0.0, 0.0, 0.0}, at::kDouble).view({2, 3}));
  const auto step_and_gradient = [&](std::optional<double> clamp) {
    config.coord_clamp = clamp;
    const auto model = random_model(config, at::kDouble);
    const at::Tensor step = (model->run(inputs).at("x") - inputs.at("x"))[0];
    step[0].backward();
    return std::pair(step.detach(), model->named_parameters()["coord_mlp.2.weight"].grad());
  };
  const auto [free_step, free_gradient] = step_and_gradient(std::nullopt);
  const double bound = free_step.abs().max().item<double>() / 2;
  const auto [step, gradient] = step_and_gradient(bound);
  EXPECT_TRUE(at::equal(step, free_step.clamp(-bound, bound)));
  EXPECT_GT(free_gradient.abs().max().item<double>(), 0);
  EXPECT_EQ(gradient.abs().max().item<double>(), 0);
}

TEST(Egcl, coincident_nodes_give_finite_gradients) {
  // The reference gives NaN with plus_one and with the radial field; here the derivative of the
  // length is 0 there. With unit normalisation the gradient is large but finite in both.
  const std::vector<Json> configs = {{{"architecture", "egnn"}},
                                     {{"architecture", "egnn"}, {"coord_norm", "unit"}},
                                     {{"architecture", "egnn"}, {"coord_norm", "plus_one"}},
                                     {{"architecture", "radial_field_vel"}}};
  for (const Json& values : configs) {
    const EgnnConfig config = config_of(values);
    const auto model = random_model(config, at::kDouble);
    TensorMap inputs = random_inputs(config, 3, complete_edges(3), at::kDouble);
    at::Tensor x = inputs.at("x").clone();
    x[1].copy_(x[0]);
    inputs.set("x", x.requires_grad_(true));
    const at::Tensor out = model->run(inputs).at("x");
    out.square().sum().backward();
    EXPECT_TRUE(out.isfinite().all().item<bool>()) << values;
    EXPECT_TRUE(x.grad().isfinite().all().item<bool>()) << values;
  }
}

TEST(EgnnModels, unused_parameters_get_no_gradient) {
  const auto unused_of = [](const EgnnConfig& config, const TensorMap& inputs, const char* output) {
    const auto model = random_model(config, at::kDouble);
    model->run(inputs).at(output).sum().backward();
    std::string unused;
    for (const auto& item : model->named_parameters()) {
      if (!item.value().grad().defined()) unused += item.key() + " ";
    }
    return unused;
  };
  const std::string last_node_mlp =
      "gcl_3.node_mlp.0.weight gcl_3.node_mlp.0.bias gcl_3.node_mlp.2.weight "
      "gcl_3.node_mlp.2.bias ";
  for (const char* name : {"egnn_vel", "egnn_nbody"}) {
    const EgnnConfig config = EgnnConfig::of(name);
    EXPECT_EQ(unused_of(config, random_inputs(config, 3, complete_edges(3), at::kDouble), "x"),
              last_node_mlp);
  }
  const TensorMap graph{{"adj", at::ones({3, 3}, at::kDouble) - at::eye(3, at::kDouble)}};
  EXPECT_EQ(unused_of(EgnnConfig::of("egnn_ae"), graph, "adj_pred"), last_node_mlp);
  EXPECT_EQ(unused_of(EgnnConfig::of("radial_field_ae"), graph, "adj_pred"),
            "gcl.phi.0.weight gcl.phi.0.bias gcl.phi.2.weight ");
}

TEST(Autoencoder, bce_is_summed_over_all_entries) {
  const EgnnConfig config = EgnnConfig::of("egnn_ae");
  const at::Tensor adj = at::ones({3, 3}, at::kDouble) - at::eye(3, at::kDouble);
  const TensorMap out = random_model(config, at::kDouble)->run({{"adj", adj}});
  const at::Tensor p = out.at("adj_pred");
  const at::Tensor terms =
      (adj * p.log().clamp_min(-100) + (1 - adj) * (1 - p).log().clamp_min(-100));
  EXPECT_NEAR(out.at("bce").item<double>(), -terms.sum().item<double>(), 1e-12);
  EXPECT_EQ(out.at("bce").dim(), 0);
  EXPECT_FALSE(random_model(config, at::kDouble)
                   ->run({{"noise_coords", at::randn({3, 8}, at::kDouble)},
                          {"edge_index", complete_edges(3)},
                          {"edge_attr", at::ones({6, 1}, at::kDouble)}})
                   .contains("bce"));
}

TEST(Autoencoder, a_perfect_certain_prediction_has_finite_gradients) {
  // The masked diagonal is exactly 0, where the derivative of the entropy is 0/0 without a floor.
  const EgnnConfig config = EgnnConfig::of("egnn_ae");
  const auto model = random_model(config, at::kDouble);
  model->run({{"adj", at::zeros({4, 4}, at::kDouble)}}).at("bce").backward();
  for (const auto& item : model->named_parameters()) {
    if (item.value().grad().defined()) {
      EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>()) << item.key();
    }
  }
}

TEST(EgnnWeights, names_of_data_parallel_and_unused_ranges_are_dropped) {
  const TensorMap theirs{{"module.embedding.weight", at::ones({2})},
                         {"module.gcl_0.coords_range", at::ones({1})},
                         {"dummy.weight", at::ones({1, 1})},
                         {"gcl_1.edge_mlp.0.weight", at::zeros({2})}};
  EXPECT_EQ(from_authors(theirs).names(),
            (std::vector<std::string>{"embedding.weight", "gcl_1.edge_mlp.0.weight"}));
}

TEST(EgnnWeights, load_save_keeps_every_bit) {
  for (const char* name : {"egnn", "egnn_vel", "gnn", "radial_field_ae", "egnn_qm9"}) {
    const EgnnConfig config = EgnnConfig::of(name);
    const auto source = random_model(config, at::kFloat, 3), target = make_model(config);
    load_weights(*target, from_authors(weights_of(*source)));
    const TensorMap loaded = weights_of(*target);
    for (const auto& [key, tensor] : weights_of(*source)) {
      EXPECT_TRUE(at::equal(loaded.at(key), tensor)) << name << " " << key;
    }
  }
}

class EgnnGradient : public ::testing::TestWithParam<const char*> {};

TEST_P(EgnnGradient, equals_finite_differences) {
  const std::string architecture = GetParam();
  EgnnConfig config = config_of({{"architecture", architecture},
                                 {"dim", 8},
                                 {"num_layers", 2},
                                 {"coord_norm", "plus_one"},
                                 {"coord_tanh", true},
                                 {"attention", true},
                                 {"noise_dim", 2},
                                 {"latent_dim", 3}});
  const auto model = random_model(config, at::kDouble);
  TensorMap inputs;
  if (architecture.ends_with("_ae")) {
    const at::Tensor adj = at::ones({4, 4}, at::kDouble) - at::eye(4, at::kDouble);
    inputs = {{"adj", adj},
              {"edge_index", complete_edges(4)},
              {"edge_attr", at::randn({12, 1}, at::kDouble)},
              {"noise_coords", at::randn({4, 3}, at::kDouble)},
              {"noise_h", at::randn({4, 2}, at::kDouble)}};
  } else {
    inputs = random_inputs(config, 6, testing::complete_graphs({4, 2}), at::kDouble);
  }
  std::vector<at::Tensor> leaves = model->parameters();
  for (const auto& [name, tensor] : inputs) {
    if (tensor.is_floating_point() && name != "adj") leaves.push_back(tensor.requires_grad_(true));
  }
  const auto loss = [&] {
    at::Tensor sum = at::zeros({}, at::kDouble);
    for (const auto& [name, tensor] : model->run(inputs)) {
      sum = sum + tensor.square().sum();
    }
    return sum;
  };
  loss().backward();

  // One random direction through all leaves at once, twice.
  for (uint64_t seed : {11, 12}) {
    at::manual_seed(seed);
    std::vector<at::Tensor> direction;
    double slope = 0;
    for (const at::Tensor& leaf : leaves) {
      direction.push_back(at::randn_like(leaf));
      if (leaf.grad().defined()) slope += (leaf.grad() * direction.back()).sum().item<double>();
    }
    const at::NoGradGuard no_grad;
    constexpr double kStep = 1e-6;
    const auto loss_at = [&](double step) {
      for (size_t k = 0; k < leaves.size(); ++k) leaves[k].add_(direction[k], step);
      const double value = loss().item<double>();
      for (size_t k = 0; k < leaves.size(); ++k) leaves[k].sub_(direction[k], step);
      return value;
    };
    const double difference = (loss_at(kStep) - loss_at(-kStep)) / (2 * kStep);
    EXPECT_NEAR(slope, difference, 1e-6 * (1 + std::abs(difference)));
  }
}

INSTANTIATE_TEST_SUITE_P(All, EgnnGradient,
                         ::testing::Values("egnn", "egnn_layer", "egnn_vel", "egnn_nbody", "gnn",
                                           "radial_field_vel", "linear", "linear_dynamics",
                                           "egnn_qm9", "egnn_ae", "gnn_ae", "radial_field_ae"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace tessera::egnn
