#include "tessera/systems/ugs/search.h"

#include <gtest/gtest.h>
#include <torch/optim/adam.h>

#include "tessera/systems/ugs/tasks.h"
#include "tessera/systems/ugs/test_inputs.h"

// The schedule of rounds, step by step.

namespace tessera::ugs {
namespace {

using testing::Example;
using testing::refused;

Json schedule(const std::string& search, const Json& more = Json::object()) {
  Json values = {{"search", search},         {"num_edges", Example::kEdges},
                 {"mask_epochs", 3},         {"retrain_epochs", 2},
                 {"num_rounds", 2},          {"dropout", 0.0},
                 {"weight_prune_rate", 0.2}, {"graph_prune_rate", 0.1}};
  values.update(more);
  return values;
}

/// The trainer's loop in small: Adam that starts anew with each phase.
class Training {
 public:
  explicit Training(const std::string& search, const Json& more = Json::object())
      : model(std::dynamic_pointer_cast<SearchModel>(
            testing::small_model("gcn", schedule(search, more)))) {
    const Example it;
    inputs = {{"x", it.x},
              {"edge_index", it.edges},
              {"labels", at::arange(Example::kNodes, at::kLong).remainder(4)},
              {"val_idx", at::arange(4, 10, at::kLong)},
              {"test_idx", at::arange(10, 17, at::kLong)}};
    restart();
  }

  void step() {
    model->train();
    const TensorMap outputs = model->run(inputs);
    at::Tensor loss =
        cross_entropy(outputs.at("logits"), inputs.at("labels"), at::arange(4, at::kLong));
    if (const at::Tensor* l1 = outputs.find("l1")) loss = loss + *l1;
    adam->zero_grad();
    loss.backward();
    adam->step();
    model->constrain();
    if (model->ends_phase()) restart();
  }
  void steps(int count) {
    for (int i = 0; i < count; ++i) step();
  }

  std::shared_ptr<SearchModel> model;
  TensorMap inputs;

 private:
  void restart() {
    adam = std::make_unique<torch::optim::Adam>(model->parameters(),
                                                torch::optim::AdamOptions(0.05).weight_decay(1e-3));
  }
  std::unique_ptr<torch::optim::Adam> adam;
};

int64_t left(const at::Tensor& mask) { return mask.count_nonzero().item<int64_t>(); }

TEST(UgsSearch, a_forward_run_ahead_is_dropped_where_weights_or_inputs_change) {
  const auto evaluated = [](Training& it) {
    const at::NoGradGuard no_grad;
    it.model->eval();
    const at::Tensor logits = it.model->run(it.inputs).at("logits");
    it.model->train();
    return logits;
  };
  const auto trained = [](Training& it) { return it.model->run(it.inputs).at("logits"); };
  for (const bool changes_weight : {true, false}) {
    Training it("ugs");
    it.step();
    if (changes_weight) {
      const at::NoGradGuard no_grad;
      at::Tensor(it.model->masks().weights[0].weight).add_(1);
    } else {
      it.inputs.set("x", it.inputs.at("x") * 2);
    }
    EXPECT_TRUE(at::equal(trained(it), evaluated(it)));
  }
}

TEST(UgsSearch, survivors_are_counted_exactly_and_masks_only_shrink) {
  Training it("ugs");
  const Masks masks = it.model->masks();
  int64_t edges = Example::kEdges, weights = 9 * 6 + 6 * 4;
  at::Tensor before = masks.edge_hard.clone();
  for (int round = 0; round < 2; ++round) {
    it.steps(5);
    edges -= edges / 10 + 1;
    weights -= static_cast<int64_t>(static_cast<double>(weights) * 0.2) + 1;
    EXPECT_EQ(left(masks.edge_hard), edges);
    EXPECT_EQ(left(masks.weights[0].hard) + left(masks.weights[1].hard), weights);
    EXPECT_TRUE((masks.edge_hard <= before).all().item<bool>());
    before = masks.edge_hard.clone();
  }
}

TEST(UgsSearch, pruned_masks_stay_zero_through_adam) {
  Training it("ugs");
  it.steps(7);  // into the second round's mask training
  const Masks masks = it.model->masks();
  EXPECT_TRUE((masks.edge_soft.masked_select(masks.edge_hard == 0) == 0).all().item<bool>());
  for (const MaskedWeight& weight : masks.weights) {
    EXPECT_TRUE((weight.soft.masked_select(weight.hard == 0) == 0).all().item<bool>());
  }
  EXPECT_GT((masks.edge_soft - masks.edge_hard).abs().max().item<double>(), 0.01);
}

TEST(UgsSearch, weights_go_back_to_their_first_values_bit_for_bit) {
  Training it("ugs", {{"retrain_epochs", 1}});
  const at::Tensor weight = it.model->masks().weights[0].weight;
  const at::Tensor first = weight.detach().clone();
  it.steps(3);
  EXPECT_FALSE(at::equal(weight, first));
  // The forward of the next update starts the retraining.
  it.model->train();
  it.model->run(it.inputs);
  EXPECT_TRUE(at::equal(weight, first));
  EXPECT_FALSE(it.model->masks().edge_soft.requires_grad());
}

TEST(UgsSearch, one_seed_gives_one_set_of_masks) {
  Training a("ugs", {{"mask_noise", 1e-3}}), b("ugs", {{"mask_noise", 1e-3}}),
      c("ugs", {{"mask_noise", 1e-3}, {"seed", 9}});
  for (Training* it : {&a, &b, &c}) it->steps(4);
  EXPECT_TRUE(at::equal(a.model->masks().edge_hard, b.model->masks().edge_hard));
  EXPECT_TRUE(at::equal(a.model->masks().weights[0].hard, b.model->masks().weights[0].hard));
  EXPECT_FALSE(at::equal(a.model->masks().edge_soft, at::ones({Example::kEdges}, at::kDouble)));
}

TEST(UgsSearch, a_search_goes_on_from_its_weights_alone) {
  for (const char* search : {"ugs", "random", "one_shot"}) {
    for (const int stop : {2, 3, 5}) {
      SCOPED_TRACE(std::string(search) + " stopped after " + std::to_string(stop));
      // One epoch a phase at the end, so that no state of an optimizer is carried over a stop.
      const Json one = {{"mask_epochs", 1}, {"retrain_epochs", 1}, {"num_rounds", 6}};
      Training whole(search, one), first(search, one), second(search, one);
      whole.steps(stop + 1);
      first.steps(stop);
      load_weights(*second.model, weights_of(*first.model));
      second.step();
      const TensorMap a = weights_of(*whole.model), b = weights_of(*second.model);
      for (const auto& [name, tensor] : a) EXPECT_TRUE(at::equal(tensor, b.at(name))) << name;
    }
  }
}

TEST(UgsSearch, random_rounds_remove_the_share_of_the_full_set) {
  Training it("random");
  it.steps(2);
  EXPECT_EQ(left(it.model->masks().edge_hard), 70 - 6);  // 70·(1 − 0.9) = 6.99… in double
  it.steps(2);
  EXPECT_EQ(left(it.model->masks().edge_hard), 70 - 13);  // ⌊70·(1 − 0.81)⌋
}

TEST(UgsSearch, one_shot_keeps_the_largest_trained_weights_and_all_edges) {
  Training it("one_shot");
  it.steps(2);
  const MaskedWeight weight = it.model->masks().weights[0];
  const at::Tensor trained = weight.weight.detach().abs();
  it.steps(2);
  EXPECT_EQ(left(it.model->masks().edge_hard), Example::kEdges);
  const at::Tensor kept = trained.masked_select(weight.hard != 0),
                   gone = trained.masked_select(weight.hard == 0);
  EXPECT_GT(gone.numel(), 0);
  EXPECT_GT(kept.min().item<double>(), gone.max().item<double>());
}

TEST(UgsSearch, graph_or_weights_alone) {
  Training graph("ugs", {{"weight_prune_rate", 0}, {"weight_l1", 0}});
  graph.steps(4);
  EXPECT_EQ(left(graph.model->masks().weights[0].hard), 54);
  EXPECT_LT(left(graph.model->masks().edge_hard), Example::kEdges);
  Training weights("ugs", {{"graph_prune_rate", 0}, {"graph_l1", 0}});
  weights.steps(4);
  EXPECT_LT(left(weights.model->masks().weights[0].hard), 54);
  EXPECT_EQ(left(weights.model->masks().edge_hard), Example::kEdges);
}

TEST(UgsSearch, a_round_reports_its_ticket) {
  Training it("ugs");
  it.steps(5);
  it.model->eval();
  const TensorMap outputs = it.model->run(it.inputs);
  EXPECT_EQ(outputs.at("search/round").item<double>(), 1);
  EXPECT_NEAR(outputs.at("search/edges_left").item<double>(), 100.0 * 62 / 70, 1e-9);
  const at::Tensor index = it.inputs.at("test_idx");
  const at::Tensor hits = outputs.at("logits").index_select(0, index).argmax(1) ==
                          it.inputs.at("labels").index_select(0, index);
  EXPECT_NEAR(outputs.at("search/test").item<double>(),
              100 * hits.to(at::kDouble).mean().item<double>(), 1e-9);
}

TEST(UgsSearch, an_update_after_the_last_round_is_refused) {
  Training it("random", {{"num_rounds", 1}});
  it.steps(2);
  refused("T-UGS-41", [&] { it.step(); });
}

}  // namespace
}  // namespace tessera::ugs
