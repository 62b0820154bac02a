#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tessera/ops/sparse_matrix.h"
#include "tessera/systems/ugs/case_forward.h"
#include "tessera/systems/ugs/case_trace.h"
#include "tessera/systems/ugs/procedures.h"
#include "tessera/systems/ugs/test_inputs.h"

// What must hold of every network with masks, and of the rule that prunes them.

namespace tessera::ugs {
namespace {

using testing::Example;
using testing::expect_close;
using testing::small_model;

const std::vector<std::string> kModels = {"gcn", "gin", "gat", "resgcn"};

TEST(UgsNetworks, permuting_nodes_permutes_outputs) {
  const Example it;
  auto generator = at::detail::createCPUGenerator(5);
  const at::Tensor order = torch::randperm(Example::kNodes, generator, at::kLong);
  const at::Tensor place = order.argsort();  // of a node among the permuted ones
  for (const std::string& name : kModels) {
    SCOPED_TRACE(name);
    const auto model = small_model(name);
    const at::Tensor out = model->forward(it.x, it.graph(), it.masks());
    const Graph permuted{.edges = place.index_select(0, it.edges.flatten()).view({2, -1}),
                         .num_nodes = Example::kNodes};
    expect_close(model->forward(it.x.index_select(0, order), permuted, it.masks()),
                 out.index_select(0, order));
  }
}

TEST(UgsNetworks, the_order_of_edges_does_not_matter) {
  const Example it;
  const at::Tensor order = at::arange(Example::kEdges - 1, -1, -1, at::kLong);
  for (const std::string& name : kModels) {
    SCOPED_TRACE(name);
    const auto model = small_model(name);
    const Graph turned{.edges = it.edges.index_select(1, order), .num_nodes = Example::kNodes};
    const EdgeMasks masks{.soft = it.soft.index_select(0, order),
                          .hard = it.hard.index_select(0, order)};
    expect_close(model->forward(it.x, turned, masks), model->forward(it.x, it.graph(), it.masks()));
  }
}

TEST(UgsNetworks, a_removed_edge_is_a_pruned_one_in_gcn_and_gin) {
  const Example it;
  for (const char* name : {"gcn", "gin"}) {
    SCOPED_TRACE(name);
    const auto masked = small_model(name);
    const auto removed = small_model(name, {{"edge_mask_mode", "remove"}});
    expect_close(removed->forward(it.x, it.graph(), it.masks()),
                 masked->forward(it.x, it.graph(), it.masks()));
  }
}

TEST(UgsNetworks, a_pruned_edge_of_gat_keeps_its_share_unless_removed) {
  const Example it;
  const auto logit = small_model("gat"),
             removed = small_model("gat", {{"edge_mask_mode", "remove"}});
  const at::Tensor kept = it.hard.nonzero().squeeze(-1);
  const Graph left{.edges = it.edges.index_select(1, kept), .num_nodes = Example::kNodes};
  const EdgeMasks masks{.soft = it.soft.index_select(0, kept),
                        .hard = it.hard.index_select(0, kept)};
  const at::Tensor without = logit->forward(it.x, left, masks);
  expect_close(removed->forward(it.x, it.graph(), it.masks()), without);
  const at::Tensor with = logit->forward(it.x, it.graph(), it.masks());
  EXPECT_GT((with - without).abs().max().item<double>(), 1e-3);
}

TEST(UgsNetworks, messages_of_gcn_flow_from_row_0_to_row_1_and_degrees_are_of_rows) {
  const Graph graph{.edges = torch::tensor({{0, 0}, {1, 2}}, at::kLong), .num_nodes = 3};
  const at::Tensor p = propagation_matrix(graph, torch::tensor({1.0, 0.5}, at::kDouble));
  const double s0 = std::pow(2.5, -0.5);
  expect_close(
      p, torch::tensor({{s0 * s0, 0.0, 0.0}, {s0, 1.0, 0.0}, {0.5 * s0, 0.0, 1.0}}, at::kDouble));
}

TEST(UgsNetworks, sparse_features_equal_dense_ones) {
  const Example it;
  const at::Tensor x = it.x * (it.x > 0.3);
  const ops::SparseMatrix rows = ops::compress(x);
  for (const char* name : {"gcn", "gin", "gat", "resgcn"}) {
    SCOPED_TRACE(name);
    const auto model = small_model(name);
    const TensorMap common = {{"edge_index", it.edges}};
    TensorMap dense = common, sparse = common;
    dense.set("x", x);
    sparse.merge({{"x_indptr", rows.row_ptr}, {"x_columns", rows.col}, {"x_values", rows.value}});
    const std::string output = std::string(name) == "resgcn" ? "log_probs" : "logits";
    const at::Tensor a = model->run(dense).at(output), b = model->run(sparse).at(output);
    expect_close(a, b);
    const at::Tensor weight = model->network().masked_weights()[0].weight;
    const at::Tensor cotangent = at::ones_like(a);
    expect_close(torch::autograd::grad({a}, {weight}, {cotangent})[0],
                 torch::autograd::grad({b}, {weight}, {cotangent})[0]);
  }
}

TEST(UgsNetworks, products_that_are_taken_have_the_gradients_of_loss_and_penalty) {
  const Example it;
  for (const std::string& name : kModels) {
    SCOPED_TRACE(name);
    const auto gradients = [&](bool takes) {
      const auto model = small_model(name, {{"search", "masks"},
                                            {"num_edges", Example::kEdges},
                                            {"graph_l1", 0.03},
                                            {"weight_l1", 0.02},
                                            {"dropout", 0.0}});
      model->train();
      const MaskedProducts products = takes ? model->take_products() : MaskedProducts{};
      const TensorMap outputs = model->run({{"x", it.x}, {"edge_index", it.edges}});
      const at::Tensor* logits = outputs.find("logits");
      at::Tensor loss = (logits ? *logits : outputs.at("log_probs")).square().sum();
      EXPECT_EQ(outputs.contains("l1"), !takes);
      if (!takes) loss = loss + outputs.at("l1");
      loss.backward();
      for (const auto& product : products) product->pass_on();
      TensorMap found;
      for (const auto& item : model->named_parameters()) {
        if (item.value().grad().defined()) found.set(item.key(), item.value().grad());
      }
      return found;
    };
    const TensorMap composed = gradients(false), taken = gradients(true);
    EXPECT_EQ(taken.size(), composed.size());
    for (const auto& [parameter, gradient] : composed) {
      SCOPED_TRACE(parameter);
      expect_close(taken.at(parameter), gradient);
    }
  }
}

TEST(UgsNetworks, gradients_of_pruned_masks_are_exactly_zero) {
  const Example it;
  for (const char* name : {"gcn", "gin", "gat"}) {
    SCOPED_TRACE(name);
    const auto model = small_model(name);
    const at::Tensor soft = it.soft.clone().requires_grad_();
    const at::Tensor out = model->forward(it.x, it.graph(), {.soft = soft, .hard = it.hard});
    const at::Tensor gradient = torch::autograd::grad({out.square().sum()}, {soft})[0];
    EXPECT_TRUE((gradient.masked_select(it.hard == 0) == 0).all().item<bool>());
    EXPECT_GT(gradient.abs().max().item<double>(), 0);
  }
}

TEST(UgsNetworks, every_variant_of_resgcn_runs_and_reaches_its_weights) {
  const Example it;
  for (const char* aggregation : {"softmax_sg", "softmax", "softmax_sum", "mean", "add"}) {
    for (const char* block : {"res+", "res", "plain"}) {
      SCOPED_TRACE(std::string(aggregation) + " " + block);
      const auto model = small_model("resgcn", {{"aggregation", aggregation},
                                                {"block", block},
                                                {"mlp_layers", 2},
                                                {"learn_temperature", true}});
      model->forward(it.x, it.graph(), it.masks()).square().sum().backward();
      for (const auto& item : model->named_parameters()) {
        if (item.value().requires_grad() && !item.key().ends_with("mask_train")) {
          EXPECT_TRUE(item.value().grad().defined()) << item.key();
        }
      }
    }
  }
}

TEST(UgsCases, masks_in_a_column_come_back_in_a_column) {
  const Example it;
  const Json config = {{"model", "gin"},         {"dims", {Example::kFeatures, 6, 4}},
                       {"dropout", 0.0},         {"mask_epochs", 2},
                       {"retrain_epochs", 2},    {"num_rounds", 1},
                       {"graph_prune_rate", 0.1}};
  TensorMap inputs = weights_of(*small_model("gin")).prefixed("weight/");
  for (const std::string& name : inputs.names()) {
    if (name.find("_mask_") != std::string::npos) inputs.erase(name);
  }
  inputs.merge({{"x", it.x},
                {"edge_index", it.edges},
                {"labels", at::arange(Example::kNodes, at::kLong).remainder(4)},
                {"train_idx", at::arange(6, at::kLong)}});
  const at::Tensor noise = 1e-2 * (it.soft - 0.5);
  inputs.set("noise_edge_round0", noise);
  const TensorMap flat = run_trace_case(config, inputs);
  inputs.set("noise_edge_round0", noise.unsqueeze(1));
  const TensorMap column = run_trace_case(config, inputs);
  for (const char* name : {"edge_mask_round0", "soft_edge_mask_round0"}) {
    EXPECT_EQ(flat.at(name).sizes(), at::IntArrayRef(Example::kEdges));
    EXPECT_TRUE(column.at(name).equal(flat.at(name).unsqueeze(1))) << name;
  }
  EXPECT_TRUE(column.at("final_logits").equal(flat.at("final_logits")));
}

TEST(UgsCases, a_weight_without_masks_keeps_its_name) {
  const Example it;
  const Json config = {{"model", "gcn"}, {"dims", {Example::kFeatures, 6, 4}}};
  const auto model = small_model("gcn");
  const TensorMap own = weights_of(*model);
  TensorMap inputs = {{"x", it.x}, {"edge_index", it.edges}};
  inputs.set("cotangent/logits", torch::ones({Example::kNodes, 4}, at::kDouble));
  for (const auto& [name, tensor] : own) inputs.set("weight/" + name, tensor);
  const TensorMap masked = run_forward_case(config, inputs);
  for (const char* suffix : {"_orig_weight", "_mask_train", "_mask_fixed"}) {
    inputs.erase(std::string("weight/net_layer.1.weight") + suffix);
  }
  inputs.set("weight/net_layer.1.weight", own.at("net_layer.1.weight_orig_weight"));
  const TensorMap plain = run_forward_case(config, inputs);
  EXPECT_TRUE(
      plain.at("grad/net_layer.1.weight").equal(masked.at("grad/net_layer.1.weight_orig_weight")));
  EXPECT_FALSE(plain.contains("grad/net_layer.1.weight_orig_weight"));
  EXPECT_FALSE(plain.contains("grad/net_layer.1.weight_mask_train"));
  EXPECT_TRUE(plain.contains("grad/net_layer.0.weight_mask_train"));
}

TEST(UgsPrune, one_more_than_the_share_goes_and_zero_stays_zero) {
  const at::Tensor soft = torch::tensor({0.5, -0.1, 0.0, 0.9, -0.7, 0.3}, at::kDouble);
  const Pruning fifth = prune({soft}, 0.4);  // n = 5: ⌊2⌋ + 1 go
  EXPECT_EQ(fifth.before, 5);
  EXPECT_EQ(fifth.after, 2);
  EXPECT_EQ(fifth.threshold.item<double>(), 0.5);
  EXPECT_TRUE(at::equal(fifth.keep[0], torch::tensor({0., 0., 0., 1., 1., 0.}, at::kDouble)));
  EXPECT_EQ(prune({soft}, 0).after, 4);  // p = 0 still removes the smallest
}

TEST(UgsPrune, equal_masks_all_go) { EXPECT_EQ(prune({torch::ones({8})}, 0.05).after, 0); }

TEST(UgsPrune, one_threshold_for_all_matrices) {
  const Pruning both = prune({torch::tensor({1.0, 2.0}), torch::tensor({3.0, 4.0})}, 0.25);
  EXPECT_EQ(both.keep[0].sum().item<double>(), 0);
  EXPECT_EQ(both.keep[1].sum().item<double>(), 2);
}

TEST(UgsPrune, random_masks_are_of_the_full_set) {
  auto generator = at::detail::createCPUGenerator(1);
  const at::Tensor mask = random_mask(torch::ones({10, 10}), 0.2, 1, generator);
  // ⌊100·(1 − 0.8²)⌋ in double, as the authors count: 35.99…
  EXPECT_EQ(mask.count_nonzero().item<int64_t>(), 100 - 35);
}

TEST(UgsMacs, are_those_of_the_paper) {
  EXPECT_NEAR(static_cast<double>(dense_macs(2708, 1433, 512, 7)) / 1e6, 1996.55, 0.01);
  EXPECT_NEAR(static_cast<double>(dense_macs(3327, 3703, 512, 6)) / 1e6, 6318.00, 0.01);
  EXPECT_NEAR(static_cast<double>(dense_macs(19717, 500, 512, 3)) / 1e6, 5077.84, 0.01);
}

TEST(UgsLink, ranking_scores_count_ties_half) {
  const at::Tensor positive = torch::tensor({0.9, 0.5}), negative = torch::tensor({0.5, 0.1});
  EXPECT_DOUBLE_EQ(roc_auc(positive, negative), 0.875);
  EXPECT_DOUBLE_EQ(average_precision(positive, negative), 0.5 + 0.5 * 2 / 3);
}

}  // namespace
}  // namespace tessera::ugs
