#include "tessera/train/masked_model.h"

#include <gtest/gtest.h>

#include "tessera/core/differences_test.h"
#include "tessera/core/error.h"
#include "tessera/systems/edge_weights.h"
#include "tessera/train/optimizer.h"
#include "tessera/train/toy_system_test.h"

namespace tessera::train {
namespace {

/// Node 0 receives x_e along edge e: h = W Σ_e weight_e x_e.
class StarModel final : public Model, public TakesEdgeWeights {
 public:
  StarModel() : map_(register_module("map", torch::nn::Linear(3, 2))) { to(at::kDouble); }
  TensorMap run(const TensorMap& inputs) override {
    const at::Tensor& x_E3 = inputs.at("x");
    const at::Tensor weight = inputs.contains("edge_weight")
                                  ? inputs.at("edge_weight")
                                  : at::ones({x_E3.size(0)}, at::kDouble);
    return {{"h", map_((x_E3 * weight.unsqueeze(1)).sum(0))}};
  }

 private:
  torch::nn::Linear map_;
};

TensorMap star_inputs() {
  at::manual_seed(3);
  return {{"x", at::randn({4, 3}, at::kDouble)}, {kEdgeId, at::tensor({0, 1, 2, 3}, at::kLong)}};
}

Masks star_masks() {
  Masks masks;
  masks.weights.set("map.weight", at::tensor({1., 1., 0., 1., 1., 1.}, at::kDouble).view({2, 3}));
  masks.edges = at::tensor({1., 0., 1., 1.}, at::kDouble);
  return masks;
}

std::shared_ptr<Model> learned_star(const LearnedMaskOptions& options) {
  at::manual_seed(1);
  return with_learned_masks(std::make_shared<StarModel>(), star_masks(), options);
}

/// What an optimizer does first.
void pass_on(Model& model) {
  for (const auto& product : dynamic_cast<TrainsMasks&>(model).take_products()) product->pass_on();
}

/// Also after values were changed behind autograd's back.
double loss_of(Model& model, const TensorMap& inputs) {
  for (const auto& product : dynamic_cast<TrainsMasks&>(model).take_products()) {
    product->set_current(false);
  }
  return model.run(inputs).at("h").square().sum().item<double>();
}

TEST(LearnedMasks, gradients_of_weights_masks_and_edges_equal_finite_differences) {
  const auto model = learned_star({.weight_l1 = 0, .edge_l1 = 0, .noise = 0.3, .seed = 5});
  const TensorMap inputs = star_inputs();
  model->run(inputs).at("h").square().sum().backward();
  pass_on(*model);
  const auto parameters = model->named_parameters();
  ASSERT_EQ(parameters.size(), 4u);  // weight, its mask, bias, edges
  const Masks kept = star_masks();
  const at::Tensor weight = parameters["map.weight"] * parameters["map.weight_mask"] *
                            kept.weights.at("map.weight"),
                   edges = parameters[kEdgeMask] * kept.edges,
                   h = at::linear(edges.matmul(inputs.at("x")), weight, parameters["map.bias"]);
  EXPECT_LE((model->run(inputs).at("h") - h).abs().max().item<double>(), 1e-14);
  for (const auto& item : parameters) {
    const at::Tensor slopes =
        testing::central_differences(item.value(), [&] { return loss_of(*model, inputs); });
    EXPECT_LE((item.value().grad() - slopes).abs().max().item<double>(), 1e-7) << item.key();
  }
}

TEST(LearnedMasks, the_penalty_is_added_once_an_update_and_not_to_what_is_pruned) {
  const auto gradients = [](const LearnedMaskOptions& options) {
    const auto model = learned_star(options);
    for (int micro = 0; micro < 2; ++micro) {
      model->run(star_inputs()).at("h").sum().backward();
    }
    pass_on(*model);
    const auto parameters = model->named_parameters();
    return std::pair(parameters["map.weight_mask"].grad(), parameters[kEdgeMask].grad());
  };
  const auto [weight, edge] = gradients({.weight_l1 = 0.25, .edge_l1 = 0.5, .noise = 0});
  const auto [free_weight, free_edge] = gradients({.weight_l1 = 0, .edge_l1 = 0, .noise = 0});
  const Masks masks = star_masks();
  EXPECT_LT(
      (weight - free_weight - 0.25 * masks.weights.at("map.weight")).abs().max().item<double>(),
      1e-14);
  EXPECT_LT((edge - free_edge - 0.5 * masks.edges).abs().max().item<double>(), 1e-14);
}

TEST(LearnedMasks, what_is_pruned_stays_so_and_the_rest_is_trained) {
  const auto model = learned_star({});
  const auto parameters = model->named_parameters();
  const auto optimizer =
      Optimizer::make(Json{{"name", "adam"}, {"lr", 0.05}, {"weight_decay", 0.01}}, *model);
  const at::Tensor before = parameters["map.weight_mask"].detach().clone();
  for (int step = 0; step < 5; ++step) {
    model->run(star_inputs()).at("h").square().sum().backward();
    optimizer->step();
    model->constrain();
    optimizer->zero_grad();
  }
  const Masks learned = learned_masks(weights_of(*model), star_masks());
  EXPECT_EQ(learned.weights.at("map.weight")[0][2].item<double>(), 0);
  EXPECT_EQ(learned.edges[1].item<double>(), 0);
  // Five updates of up to 0.05; a mask whose weight is near 0 goes to and fro.
  EXPECT_GT((learned.weights.at("map.weight") - before).abs().max().item<double>(), 0.1);
}

TEST(LearnedMasks, without_noise_they_begin_with_the_bits_of_the_model) {
  Masks masks = star_masks();
  masks.weights.set("map.weight", at::ones({2, 3}, at::kDouble));
  masks.edges = at::ones({4}, at::kDouble);
  const auto model = std::make_shared<StarModel>();
  const at::Tensor plain = model->run(star_inputs()).at("h").detach().clone();
  const auto masked = with_learned_masks(model, masks, {.noise = 0});
  EXPECT_TRUE(at::equal(masked->run(star_inputs()).at("h"), plain));
}

TEST(PrunedEdges, do_what_a_graph_without_them_does) {
  const auto star = std::make_shared<StarModel>();
  TensorMap inputs = star_inputs();
  const auto with_edges = [&](at::ArrayRef<int64_t> left) {
    const at::Tensor x = inputs.at("x").index_select(0, at::tensor(left, at::kLong));
    return star->run({{"x", x}}).at("h").detach().clone();
  };
  const at::Tensor expected = with_edges({0, 2, 3}), of_another = with_edges({0, 1, 2});
  const auto pruned = with_masks(star, {.edges = star_masks().edges});
  EXPECT_TRUE(weights_of(*pruned).contains(kEdgeMask));
  EXPECT_LT((pruned->run(inputs).at("h") - expected).abs().max().item<double>(), 1e-14);
  inputs.set(kEdgeId, at::tensor({2, 0, 2, 1}, at::kLong));
  EXPECT_LT((pruned->run(inputs).at("h") - of_another).abs().max().item<double>(), 1e-14);
  inputs.set(kEdgeId, at::tensor({0, 1, 2, 4}, at::kLong));
  EXPECT_THROW(pruned->run(inputs), InvalidArgument);
  inputs.erase(kEdgeId);
  EXPECT_THROW(pruned->run(inputs), InvalidArgument);
}

TEST(PrunedEdges, need_a_model_that_takes_edge_weights) {
  const auto model = make_model(toy::recipe());
  EXPECT_THROW(with_masks(model, {.edges = at::ones({4})}), InvalidArgument);
}

}  // namespace
}  // namespace tessera::train
