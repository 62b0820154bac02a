#include <gtest/gtest.h>

#include "tessera/systems/egnn/test_inputs.h"

// Section 3.1 of the paper, on random inputs in both precisions: what a network of this folder must
// do under rotations, reflections, translations, permutations and batching, whatever its weights.

namespace tessera::egnn {
namespace {

using testing::random_inputs;
using testing::random_model;
using testing::random_orthogonal;
using testing::relative_error;
using testing::with;

EgnnConfig config_from(const Json& values) {
  EgnnConfig config;
  read_config(config, values, "model");
  return config;
}

struct Variant {
  const char* name;
  Json config;
};

// Every network that moves coordinates, with each option in at least one of them.
const std::vector<Variant>& equivariant_networks() {
  static const std::vector<Variant> variants = {
      {"egnn", {{"architecture", "egnn"}, {"node_in_dim", 3}, {"edge_in_dim", 2}}},
      {"egnn_attention_unit_tanh",
       {{"architecture", "egnn"},
        {"node_in_dim", 3},
        {"attention", true},
        {"coord_norm", "unit"},
        {"coord_tanh", true}}},
      {"egnn_five_axes", {{"architecture", "egnn"}, {"node_in_dim", 3}, {"coord_dim", 5}}},
      {"egnn_one_axis", {{"architecture", "egnn"}, {"node_in_dim", 3}, {"coord_dim", 1}}},
      {"egnn_layer_sum",
       {{"architecture", "egnn_layer"},
        {"node_in_dim", 3},
        {"node_out_dim", 5},
        {"residual", false},
        {"coord_agg", "sum"}}},
      {"egnn_vel", {{"architecture", "egnn_vel"}}},
      {"egnn_vel_plus_one",
       {{"architecture", "egnn_vel"}, {"coord_norm", "plus_one"}, {"coord_weight", 0.5}}},
      {"egnn_nbody", {{"architecture", "egnn_nbody"}}},
      {"radial_field_vel", {{"architecture", "radial_field_vel"}}},
      {"linear_dynamics", {{"architecture", "linear_dynamics"}}},
      {"identity", {{"architecture", "identity"}}}};
  return variants;
}

using Case = std::tuple<size_t, at::ScalarType>;

class EquivariantNetwork : public ::testing::TestWithParam<Case> {
 protected:
  EquivariantNetwork() {
    const auto [variant, dtype] = GetParam();
    Json values = equivariant_networks()[variant].config;
    values["dim"] = 16;
    values["num_layers"] = 3;
    config_ = config_from(values);
    dtype_ = dtype;
    tolerance_ = dtype == at::kDouble ? 1e-10 : 1e-4;
    model_ = random_model(config_, dtype);
    edges_ = testing::complete_graphs({5, 1, 4});
    inputs_ = random_inputs(config_, 10, edges_, dtype);
  }

  void expect_equal(const TensorMap& a, const TensorMap& b) const {
    for (const auto& [name, tensor] : b) {
      EXPECT_LE(relative_error(a.at(name), tensor), tolerance_) << name;
    }
  }

  EgnnConfig config_;
  at::ScalarType dtype_;
  double tolerance_;
  std::shared_ptr<Model> model_;
  at::Tensor edges_;
  TensorMap inputs_;
};

TEST_P(EquivariantNetwork, output_turns_and_shifts_with_the_input) {
  const at::NoGradGuard no_grad;
  const TensorMap plain = model_->run(inputs_);
  for (int determinant : {1, -1}) {
    const at::Tensor q = random_orthogonal(config_.coord_dim, determinant, dtype_);
    const at::Tensor shift = at::randn({config_.coord_dim}, q.options()) * 5;
    TensorMap moved = with(inputs_, "x", inputs_.at("x").mm(q.t()) + shift);
    moved.set("vel", inputs_.at("vel").mm(q.t()));
    TensorMap expected = plain;
    expected.set("x", plain.at("x").mm(q.t()) + shift);
    expect_equal(model_->run(moved), expected);
  }
}

TEST_P(EquivariantNetwork, output_is_permuted_with_the_nodes) {
  const at::NoGradGuard no_grad;
  const at::Tensor permutation = at::randperm(10), place = permutation.argsort();
  TensorMap permuted = inputs_;
  for (const char* name : {"h", "x", "vel"}) {
    permuted.set(name, inputs_.at(name).index_select(0, permutation));
  }
  permuted.set("edge_index", place.take(edges_));
  TensorMap expected;
  for (const auto& [name, tensor] : model_->run(inputs_)) {
    expected.set(name, tensor.index_select(0, permutation));
  }
  expect_equal(model_->run(permuted), expected);
}

TEST_P(EquivariantNetwork, order_of_the_edges_does_not_matter) {
  const at::NoGradGuard no_grad;
  const at::Tensor order = at::randperm(edges_.size(1));
  TensorMap shuffled = with(inputs_, "edge_index", edges_.index_select(1, order));
  if (const at::Tensor* edge_attr = inputs_.find("edge_attr")) {
    shuffled.set("edge_attr", edge_attr->index_select(0, order));
  }
  expect_equal(model_->run(shuffled), model_->run(inputs_));
}

TEST_P(EquivariantNetwork, a_batch_equals_its_graphs_one_by_one) {
  const at::NoGradGuard no_grad;
  const TensorMap batch = model_->run(inputs_);
  int64_t first_node = 0, first_edge = 0;
  for (int64_t size : {5, 1, 4}) {
    const int64_t num_edges = size * (size - 1);
    TensorMap single = with(inputs_, "edge_index", complete_edges(size));
    for (const char* name : {"h", "x", "vel"}) {
      single.set(name, inputs_.at(name).narrow(0, first_node, size));
    }
    if (const at::Tensor* edge_attr = inputs_.find("edge_attr")) {
      single.set("edge_attr", edge_attr->narrow(0, first_edge, num_edges));
    }
    TensorMap expected;
    for (const auto& [name, tensor] : batch) {
      expected.set(name, tensor.narrow(0, first_node, size));
    }
    expect_equal(model_->run(single), expected);
    first_node += size;
    first_edge += num_edges;
  }
}

TEST_P(EquivariantNetwork, inputs_stay_as_they_are) {
  TensorMap before;
  for (const auto& [name, tensor] : inputs_) before.set(name, tensor.clone());
  model_->run(inputs_);
  for (const auto& [name, tensor] : inputs_)
    EXPECT_TRUE(at::equal(tensor, before.at(name))) << name;
}

std::string case_name(const ::testing::TestParamInfo<Case>& info) {
  const auto [variant, dtype] = info.param;
  return std::string(equivariant_networks()[variant].name) +
         (dtype == at::kDouble ? "_double" : "_float");
}

INSTANTIATE_TEST_SUITE_P(All, EquivariantNetwork,
                         ::testing::Combine(::testing::Range<size_t>(0,
                                                                     equivariant_networks().size()),
                                            ::testing::Values(at::kFloat, at::kDouble)),
                         case_name);

TEST(Egnn, an_isolated_node_keeps_its_place_and_gets_features_from_itself) {
  const EgnnConfig config = config_from({{"architecture", "egnn"}, {"node_in_dim", 3}});
  const auto model = random_model(config, at::kDouble);
  const TensorMap inputs = random_inputs(config, 4, complete_edges(3), at::kDouble);
  const TensorMap out = model->run(inputs);
  EXPECT_TRUE(at::equal(out.at("x")[3], inputs.at("x")[3]));
  EXPECT_FALSE(at::equal(out.at("x")[2], inputs.at("x")[2]));

  TensorMap alone = with(inputs, "edge_index", at::empty({2, 0}, at::kLong));
  for (const char* name : {"h", "x"}) alone.set(name, inputs.at(name).narrow(0, 3, 1));
  EXPECT_LE(relative_error(model->run(alone).at("h")[0], out.at("h")[3]), 1e-12);
}

TEST(Gnn, is_not_equivariant) {
  // The negative control: the same check that every network above passes.
  const EgnnConfig config = EgnnConfig::of("gnn");
  const auto model = random_model(config, at::kDouble);
  const at::Tensor edges = complete_edges(5);
  const TensorMap inputs = random_inputs(config, 5, edges, at::kDouble);
  const at::Tensor q = random_orthogonal(3, 1, at::kDouble);
  const at::Tensor h = inputs.at("h");
  const at::Tensor turned = at::cat({h.narrow(1, 0, 3).mm(q.t()), h.narrow(1, 3, 3).mm(q.t())}, 1);
  const at::Tensor x = model->run(inputs).at("x");
  EXPECT_GT(relative_error(model->run(with(inputs, "h", turned)).at("x"), x.mm(q.t())), 1e-2);
}

class Qm9Network : public ::testing::TestWithParam<at::ScalarType> {
 protected:
  Qm9Network() : tolerance_(GetParam() == at::kDouble ? 1e-11 : 1e-4) {
    Json values = {{"architecture", "egnn_qm9"},
                   {"dim", 16},
                   {"num_layers", 3},
                   {"node_in_dim", 6},
                   {"node_attr", true}};
    config_ = config_from(values);
    model_ = random_model(config_, GetParam());
  }

  /// The molecules of `sizes`, padded to `slots`, with atoms drawn per molecule and `filler` in x
  /// of the empty slots.
  TensorMap molecules(const std::vector<int64_t>& sizes, int64_t slots, double filler = 0) const {
    const int64_t count = sizes.size();
    at::Tensor h = at::zeros({count, slots, 6}, GetParam());
    at::Tensor x = at::full({count, slots, 3}, filler, GetParam());
    at::Tensor node_mask = at::zeros({count, slots}, at::kBool);
    for (int64_t b = 0; b < count; ++b) {
      at::manual_seed(100 + sizes[b]);
      h[b].narrow(0, 0, sizes[b]).copy_(at::randn({sizes[b], 6}, at::kDouble));
      x[b].narrow(0, 0, sizes[b]).copy_(at::randn({sizes[b], 3}, at::kDouble));
      node_mask[b].narrow(0, 0, sizes[b]).fill_(true);
    }
    const at::Tensor slot = at::arange(count * slots).view({count, slots, 1});
    const at::Tensor rows = slot.expand({count, slots, slots});
    const at::Tensor cols = slot.transpose(1, 2).expand({count, slots, slots});
    const at::Tensor edge_mask =
        node_mask.unsqueeze(2) & node_mask.unsqueeze(1) & ~at::eye(slots, at::kBool);
    return {{"h", h.view({-1, 6})},
            {"x", x.view({-1, 3})},
            {"edge_index", at::stack({rows.reshape(-1), cols.reshape(-1)})},
            {"edge_mask", edge_mask.reshape({-1, 1})},
            {"node_mask", node_mask.view({-1, 1})},
            {"num_nodes", at::tensor(slots)}};
  }

  double tolerance_;
  EgnnConfig config_;
  std::shared_ptr<Model> model_;
};

TEST_P(Qm9Network, prediction_is_invariant) {
  const TensorMap inputs = molecules({4, 5}, 5);
  const at::Tensor pred = model_->run(inputs).at("pred");
  const at::Tensor q = random_orthogonal(3, -1, GetParam());
  EXPECT_LE(
      relative_error(model_->run(with(inputs, "x", inputs.at("x").mm(q.t()) + 3)).at("pred"), pred),
      tolerance_);
  EXPECT_GT(relative_error(model_->run(with(inputs, "x", inputs.at("x") * 1.3)).at("pred"), pred),
            1e-3);
}

TEST_P(Qm9Network, padded_slots_reach_nothing) {
  const at::Tensor pred = model_->run(molecules({3, 5, 1}, 5)).at("pred");
  EXPECT_EQ(pred.sizes(), (std::vector<int64_t>{3}));
  EXPECT_LE(relative_error(model_->run(molecules({3, 5, 1}, 8, 7.5)).at("pred"), pred), tolerance_);
}

TEST_P(Qm9Network, a_batch_equals_its_molecules_one_by_one) {
  const at::Tensor batch = model_->run(molecules({3, 5, 1}, 5)).at("pred");
  const int64_t sizes[] = {3, 5, 1};
  for (int64_t b = 0; b < 3; ++b) {
    const at::Tensor single = model_->run(molecules({sizes[b]}, sizes[b])).at("pred");
    EXPECT_LE(relative_error(single[0], batch[b]), tolerance_) << sizes[b];
  }
}

TEST_P(Qm9Network, a_factor_of_zero_removes_an_edge_as_the_mask_does) {
  const TensorMap inputs = molecules({3, 5}, 5);
  const at::Tensor factor = inputs.at("edge_mask").to(GetParam());
  EXPECT_LE(relative_error(model_->run(with(inputs, "edge_mask", factor)).at("pred"),
                           model_->run(inputs).at("pred")),
            tolerance_);
}

INSTANTIATE_TEST_SUITE_P(All, Qm9Network, ::testing::Values(at::kFloat, at::kDouble),
                         [](const auto& info) {
                           return info.param == at::kDouble ? "double" : "float";
                         });

class AutoencoderNetwork : public ::testing::TestWithParam<const char*> {
 protected:
  AutoencoderNetwork()
      : config_(config_from({{"architecture", GetParam()},
                             {"dim", 12},
                             {"num_layers", 3},
                             {"noise_dim", 1},
                             {"latent_dim", 4}})),
        model_(random_model(config_, at::kDouble)) {
    at::manual_seed(5);
    const at::Tensor upper = (at::rand({7, 7}) < 0.4).to(at::kDouble).triu(1);
    inputs_ = {{"adj", upper + upper.t()},
               {"noise_coords", at::randn({7, 4}, at::kDouble)},
               {"noise_h", at::randn({7, 1}, at::kDouble)}};
  }

  EgnnConfig config_;
  std::shared_ptr<Model> model_;
  TensorMap inputs_;
};

TEST_P(AutoencoderNetwork, prediction_is_symmetric_without_diagonal) {
  const at::Tensor adj_pred = model_->run(inputs_).at("adj_pred");
  EXPECT_EQ(adj_pred.diagonal().abs().max().item<double>(), 0);
  EXPECT_LE(relative_error(adj_pred, adj_pred.t()), 1e-15);
}

TEST_P(AutoencoderNetwork, prediction_is_permuted_with_nodes_and_noise) {
  const at::Tensor permutation = at::randperm(7);
  const auto permute = [&](const at::Tensor& tensor) {
    return tensor.index_select(0, permutation);
  };
  TensorMap permuted;
  for (const auto& [name, tensor] : inputs_) permuted.set(name, permute(tensor));
  permuted.set("adj", permuted.at("adj").index_select(1, permutation));
  EXPECT_LE(
      relative_error(model_->run(permuted).at("adj_pred"),
                     permute(model_->run(inputs_).at("adj_pred")).index_select(1, permutation)),
      1e-10);
}

TEST_P(AutoencoderNetwork, noise_is_drawn_afresh_where_none_is_given) {
  const TensorMap bare{{"adj", inputs_.at("adj")}};
  at::manual_seed(1);
  const at::Tensor first = model_->run(bare).at("z"), second = model_->run(bare).at("z");
  at::manual_seed(1);
  EXPECT_TRUE(at::equal(model_->run(bare).at("z"), first));
  EXPECT_FALSE(at::equal(second, first));
}

TEST_P(AutoencoderNetwork, complete_edges_and_attributes_are_derived_from_the_adjacency) {
  const at::Tensor edges = complete_edges(7), adj = inputs_.at("adj");
  TensorMap explicit_graph = with(inputs_, "edge_index", edges);
  explicit_graph.set("edge_attr", at::index(adj, {edges[0], edges[1]}).unsqueeze(1));
  EXPECT_TRUE(at::equal(model_->run(explicit_graph).at("z"), model_->run(inputs_).at("z")));
}

INSTANTIATE_TEST_SUITE_P(All, AutoencoderNetwork,
                         ::testing::Values("egnn_ae", "gnn_ae", "radial_field_ae"),
                         [](const auto& info) { return std::string(info.param); });

TEST(EgnnAutoencoder, prediction_is_invariant_to_a_rotation_of_the_noise) {
  for (const char* name : {"egnn_ae", "radial_field_ae"}) {
    const EgnnConfig config = EgnnConfig::of(name);
    const auto model = random_model(config, at::kDouble);
    const at::Tensor upper = (at::rand({6, 6}) < 0.5).to(at::kDouble).triu(1);
    const TensorMap inputs{{"adj", upper + upper.t()},
                           {"noise_coords", at::randn({6, 8}, at::kDouble)}};
    const at::Tensor q = random_orthogonal(8, -1, at::kDouble);
    const TensorMap turned = with(inputs, "noise_coords", inputs.at("noise_coords").mm(q.t()));
    EXPECT_LE(relative_error(model->run(turned).at("adj_pred"), model->run(inputs).at("adj_pred")),
              1e-10)
        << name;
  }
}

TEST(GnnAutoencoder, without_noise_cannot_tell_the_nodes_of_a_cycle_apart) {
  // Every node of a 4-cycle can take every other's place, so all embeddings are the same; noise as
  // start coordinates tells them apart (section 5.2).
  at::Tensor cycle = at::zeros({4, 4}, at::kDouble);
  for (int64_t i = 0; i < 4; ++i) {
    cycle[i][(i + 1) % 4] = 1;
    cycle[(i + 1) % 4][i] = 1;
  }
  const at::Tensor plain =
      random_model(EgnnConfig::of("gnn_ae"), at::kDouble)->run({{"adj", cycle}}).at("z");
  EXPECT_LE(relative_error(plain, plain[0].expand_as(plain)), 1e-13);
  const at::Tensor equivariant =
      random_model(EgnnConfig::of("egnn_ae"), at::kDouble)->run({{"adj", cycle}}).at("z");
  EXPECT_GT(relative_error(equivariant, equivariant[0].expand_as(equivariant)), 1e-2);
}

}  // namespace
}  // namespace tessera::egnn
