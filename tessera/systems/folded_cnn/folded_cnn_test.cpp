#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "tessera/nn/convnet/cost.h"
#include "tessera/nn/convnet/fold.h"
#include "tessera/nn/convnet/methods.h"
#include "tessera/nn/convnet/networks.h"
#include "tessera/systems/folded_cnn/block_diagonal.h"
#include "tessera/systems/folded_cnn/claims.h"
#include "tessera/systems/folded_cnn/curriculum.h"
#include "tessera/systems/folded_cnn/procedures.h"
#include "tessera/systems/folded_cnn/test_inputs.h"

// The invariants of the method, and the numbers that need no training.

namespace tessera::folded_cnn {
namespace {

using testing::random_images;
using testing::small_config;
using testing::small_model;

/// For claims that train nothing.
class NoLab final : public Lab {
 public:
  Scale scale() const override { return Scale::kQuick; }
  TrainOutcome train(const std::string&, const std::vector<std::string>&) override { return {}; }
  Metrics evaluate(Model&, const Task&, Split) override { return {}; }
  void progress(const std::string&, double) override {}
};

int64_t parameters(const Json& config) {
  return nn::cost(network(FoldedCnnConfig::of(config))).parameters;
}

TEST(FoldedCnn, parameters_are_those_of_the_published_tables) {
  const std::vector<std::pair<std::string, std::vector<int64_t>>> table = {
      {"lol/goldnumber-fraction", {33867, 69759, 106988, 150268}},
      {"apex/squad_count_v2", {33086, 67603, 103160, 143976}},
      {"sot/coin_count-digits_3_4-v2", {32887, 67061, 102203, 142412}},
      {"sot/timer3", {60451, 121367, 183143, 251708}},
      {"lol/goldnumber-int", {60367, 142559, 235988, 361868}},
      {"lol/timer-minutes", {37958, 80971, 126836, 182792}},
      {"coral", {1283154, 2495247, 3739730, 5135048}},
      {"night", {1283154, 2495247, 3739730, 5135048}},
      {"taipei", {1318818, 2609419, 3899671, 5282120}},
      {"roundabout", {360578, 713704, 1066951, 1445576}}};
  for (const auto& [preset, counts] : table) {
    for (int64_t fold = 1; fold <= 4; ++fold) {
      EXPECT_EQ(parameters({{"preset", preset}, {"fold", fold}}),
                counts[static_cast<size_t>(fold - 1)])
          << preset << " at fold " << fold;
    }
  }
  const std::vector<int64_t> resnet = {11173962, 22339017, 33447152, 44704040};
  for (int64_t fold = 1; fold <= 4; ++fold) {
    EXPECT_EQ(parameters({{"arch", "folded_resnet18"}, {"fold", fold}}),
              resnet[static_cast<size_t>(fold - 1)]);
  }
}

TEST(FoldedCnn, folding_is_a_view_that_keeps_the_order) {
  const at::Tensor images = random_images(7);
  const at::Tensor folded = fold_images(images, 3, Remainder::kDrop);
  EXPECT_EQ(folded.sizes(), at::IntArrayRef({2, 9, 13, 14}));
  EXPECT_EQ(folded.const_data_ptr(), images.const_data_ptr());
  EXPECT_TRUE(at::equal(folded[1].narrow(0, 3, 3), images[4]));
  EXPECT_TRUE(at::equal(folded.view({6, 3, 13, 14}), images.narrow(0, 0, 6)));
}

TEST(FoldedCnn, padding_repeats_the_last_image_and_discards_its_outputs) {
  const auto model = small_model({{"fold", 3}, {"remainder", "pad"}});
  const at::Tensor images = random_images(7);
  const at::Tensor logits = model->run({{"images", images}}).at("logits");
  EXPECT_EQ(logits.size(0), 7);
  const at::Tensor last = images.narrow(0, 6, 1);
  const at::Tensor filled = at::cat({images, last, last});
  EXPECT_TRUE(at::equal(logits, model->run({{"images", filled}}).at("logits").narrow(0, 0, 7)));
  model->train();
  EXPECT_EQ(model->run({{"images", images}}).at("logits").size(0), 6);
}

TEST(FoldedCnn, fold_1_is_the_plain_network_bitwise) {
  const auto model = small_model();
  const at::Tensor images = random_images(5);
  const at::Tensor plain =
      nn::evaluate(original_network(model->config()), weights_of(*model), images);
  EXPECT_TRUE(at::equal(model->run({{"images", images}}).at("logits"), plain));
}

TEST(FoldedCnn, block_diagonal_weights_are_f_originals_also_with_batch_norm) {
  for (const char* name : {"roundabout", "resnet18_cifar", "mobilenet_v1"}) {
    nn::Network original = nn::networks().at(name).make();
    if (original.input.height > 50) original.input.height = original.input.width = 32;
    original = nn::fold(original, {.width_multiplier = 0.13});
    TensorMap weights;
    auto generator = at::detail::createCPUGenerator(2);
    for (const nn::WeightSpec& spec : nn::weight_specs(original)) {
      const double offset = spec.shape.size() == 1 ? 0.6 : -0.5;
      weights.set(spec.name, at::rand(spec.shape, generator, at::kDouble) + offset);
    }
    constexpr int64_t kFold = 3;
    const nn::Network big = nn::fold(original, {.fold = kFold, .width_multiplier = 3.0});
    const at::Tensor images =
        at::rand({6, 3, original.input.height, original.input.width}, generator, at::kDouble);
    const at::Tensor alone = nn::evaluate(original, weights, images);
    const at::Tensor joint =
        unfold_outputs(nn::evaluate(big, block_diagonal_weights(original, weights, kFold),
                                    fold_images(images, kFold, Remainder::kDrop)),
                       kFold);
    EXPECT_TRUE(at::allclose(joint, alone, 1e-11, 1e-12)) << name;
  }
}

TEST(FoldedCnn, permuting_groups_permutes_outputs_and_permuting_companions_changes_them) {
  const auto model = small_model({{"fold", 2}});
  const at::Tensor images = random_images(6);
  const auto logits = [&](std::vector<int64_t> order) {
    const at::Tensor index = at::tensor(order, at::kLong);
    return model->run({{"images", images.index_select(0, index)}}).at("logits");
  };
  const at::Tensor straight = logits({0, 1, 2, 3, 4, 5});
  const at::Tensor groups = logits({4, 5, 0, 1, 2, 3});
  EXPECT_TRUE(at::allclose(groups.narrow(0, 2, 4), straight.narrow(0, 0, 4), 1e-12, 1e-13));
  EXPECT_FALSE(at::allclose(logits({1, 0, 2, 3, 4, 5})[1], straight[0], 1e-6, 1e-6));
}

TEST(FoldedCnn, dropped_images_take_no_part_in_loss_and_gradient) {
  const auto model = small_model({{"fold", 2}});
  const at::Tensor images = random_images(5).requires_grad_();
  const at::Tensor target = at::tensor({0, 1, 2, 3, 4}, at::kLong);
  const at::Tensor loss = model->run({{"images", images}, {"target", target}}).at("cross_entropy");
  loss.backward();
  EXPECT_EQ(images.grad()[4].abs().max().item<double>(), 0);
  EXPECT_GT(images.grad()[3].abs().max().item<double>(), 0);
  const at::Tensor whole =
      model->run({{"images", images.detach().narrow(0, 0, 4)}, {"target", target.narrow(0, 0, 4)}})
          .at("cross_entropy");
  EXPECT_TRUE(at::equal(loss.detach(), whole));
}

TEST(FoldedCnn, float_agrees_with_double) {
  const auto model = small_model({{"fold", 3}});
  const at::Tensor images = random_images(6);
  const at::Tensor exact = model->run({{"images", images}}).at("logits");
  model->to(at::kFloat);
  const at::Tensor rounded = model->run({{"images", images.to(at::kFloat)}}).at("logits");
  EXPECT_LT((rounded - exact).abs().max().item<double>(), 1e-4 * exact.abs().max().item<double>());
}

TEST(FoldedCnn, the_original_resnet_pools_the_top_left_of_the_map) {
  // 4x4 map, kernel 4, padding 1: the only window covers rows and columns -1 … 2.
  const nn::Network original = network(FoldedCnnConfig::of({{"arch", "folded_resnet18"}}));
  const nn::Layer& pool = original.layer("avgpool");
  const at::Tensor map = at::rand({1, 2, 4, 4}, at::kDouble);
  const at::Tensor pooled = nn::apply(pool, {}, std::array{map}, nn::Mode::kEvaluate);
  const at::Tensor expected = map.narrow(2, 0, 3).narrow(3, 0, 3).sum({2, 3}) / 16;
  EXPECT_TRUE(at::allclose(pooled.flatten(1), expected));
  const nn::Network whole =
      network(FoldedCnnConfig::of({{"arch", "folded_resnet18"}, {"do_fold", true}}));
  EXPECT_EQ(whole.layer("avgpool").padding, 0);
  const nn::Network mnist =
      network(FoldedCnnConfig::of({{"arch", "folded_resnet18"}, {"size_for_cifar", false}}));
  EXPECT_EQ(mnist.input.text(), "1x28x28");
  EXPECT_EQ(mnist.layer("avgpool").kernel, 7);
  EXPECT_EQ(mnist.find("layer4.0.conv1"), nn::Network::npos);
}

TEST(FoldedCnn, compound_scaling_drops_the_last_convolutions) {
  const nn::Network network = folded_cnn::network(
      FoldedCnnConfig::of({{"preset", "lol/goldnumber-fraction"}, {"compound_phi", 1}}));
  // ⌊5/1.1⌋ = 4 convolutions of ⌊32/1.1⌋ = 29, images ⌊22/1.15⌋ x ⌊52/1.15⌋.
  EXPECT_EQ(network.input.text(), "3x19x45");
  EXPECT_EQ(network.layer("conv.0").out_channels, 29);
  int64_t convs = 0;
  for (const nn::Layer& layer : network.layers) convs += layer.kind == nn::LayerKind::kConv;
  EXPECT_EQ(convs, 4);
}

TEST(FoldedCnn, the_gates_hold) {
  // The published intensities and FLOPs, to 0.01.
  for (const Claim& claim : claims()) {
    if (claim.kind != Claim::Kind::kGate) continue;
    NoLab lab;
    const ClaimResult result = claim.run(lab);
    EXPECT_TRUE(result.holds) << claim.name << ": " << result.detail;
  }
}

TEST(FoldedCnn, flops_of_a_hidden_layer_follow_its_widths) {
  const nn::Network one = network(FoldedCnnConfig::of({{"preset", "taipei"}}));
  for (const int64_t fold : {2, 3, 4}) {
    const nn::Network folded = network(FoldedCnnConfig::of({{"preset", "taipei"}, {"fold", fold}}));
    const nn::LayerCost before = nn::cost(one).layers[1], after = nn::cost(folded).layers[1];
    const double width = std::floor(64 * std::sqrt(static_cast<double>(fold)));
    const auto products = [](const nn::LayerCost& layer) {
      return static_cast<double>(layer.ops - layer.output_elements);
    };
    EXPECT_DOUBLE_EQ(products(after), products(before) * width * width / (64 * 64));
  }
}

TEST(FoldedCnn, intensity_grows_with_the_batch_and_at_most_by_the_root_of_the_fold) {
  // A hidden layer by itself: 32 → 32 channels.
  const auto hidden = [](int64_t fold, double images) {
    nn::NetworkCost cost = nn::cost(
        network(FoldedCnnConfig::of({{"preset", "lol/goldnumber-fraction"}, {"fold", fold}})));
    cost.layers = {cost.layers[1]};
    cost.ops = cost.layers[0].ops;
    return nn::arithmetic_intensity(cost, images / static_cast<double>(fold), 2);
  };
  for (const double images : {12.0, 120.0, 1200.0}) {
    EXPECT_LT(hidden(1, images), hidden(1, 2 * images));
    for (const int64_t fold : {2, 3, 4}) {
      EXPECT_LE(hidden(fold, images), std::sqrt(static_cast<double>(fold)) * hidden(1, images));
    }
  }
}

TEST(FoldedCnn, a_folded_network_with_average_pools_loses_its_batch_norm_like_any_other) {
  // Composition: fold, then the steps that calibration to spikes begins with.
  nn::Network net = nn::with_average_pools(
      nn::fold(nn::fold(nn::networks().at("resnet18_cifar").make(), {.width_multiplier = 0.1}),
               {.fold = 2}));
  TensorMap weights;
  for (const nn::WeightSpec& spec : nn::weight_specs(net)) {
    const double offset = spec.shape.size() == 1 ? 0.6 : -0.5;
    weights.set(spec.name, at::rand(spec.shape, at::kDouble) + offset);
  }
  const at::Tensor x = at::rand({2, 6, 32, 32}, at::kDouble);
  const nn::WeightedNetwork plain = nn::fold_batch_norm({net, weights});
  EXPECT_TRUE(at::allclose(nn::evaluate(plain.network, plain.weights, x),
                           nn::evaluate(net, weights, x), 1e-9, 1e-9));
}

TEST(Curriculum, classes_grow_to_all_of_them_at_the_predicted_epoch) {
  const CurriculumRules rules = CurriculumRules::published(22, 2);
  EXPECT_EQ(rules.init_classes, 2);
  EXPECT_EQ(classes_in_use(rules, 22, 59), 2);
  EXPECT_EQ(classes_in_use(rules, 22, 60), 4);
  EXPECT_EQ(classes_in_use(rules, 22, 599), 20);
  EXPECT_EQ(classes_in_use(rules, 22, 600), 22);
  EXPECT_EQ(CurriculumRules::published(62, 4, true).steps[0].gap, 120);
  EXPECT_EQ(CurriculumRules::published(62, 4, true).init_classes, 4);
  // More companions than classes.
  EXPECT_EQ(Curriculum(CurriculumRules::published(2, 4), 2).classes_in_use(), 2);
}

TEST(Curriculum, counts_the_classes_that_occur) {
  const std::vector<int64_t> labels = {7, 2, 2, 40, 7, 3};
  const RankedLabels ranks = ranked(labels);
  EXPECT_EQ(ranks.num_classes, 4);
  EXPECT_EQ(ranks.ranks, (std::vector<int64_t>{2, 0, 0, 3, 2, 1}));
  const Json config = {
      {"num_classes", 50}, {"epochs", 3}, {"init_classes", 3}, {"steps", {{1, 2}}}};
  for (const Procedure& procedure : procedures()) {
    if (procedure.name != "curriculum") continue;
    const TensorMap outputs = procedure.run(config, {{"labels", at::tensor(labels, at::kLong)}});
    EXPECT_TRUE(at::equal(outputs.at("classes_in_use"), at::tensor({3, 4, 4}, at::kLong)));
    EXPECT_TRUE(at::equal(outputs.at("samples_in_use"), at::tensor({5, 6, 6}, at::kLong)));
  }
}

TEST(Curriculum, the_gap_is_that_of_the_step_that_is_current_then) {
  Curriculum state(CurriculumRules{.init_classes = 1, .steps = {{2, 1}, {3, 2}}}, 9);
  std::vector<int64_t> classes, next;
  for (int64_t epoch = 0; epoch < 9; ++epoch) {
    classes.push_back(state.classes_in_use());
    next.push_back(state.next_step_epoch());
    state.advance();
  }
  EXPECT_EQ(classes, (std::vector<int64_t>{1, 1, 2, 2, 2, 4, 4, 4, 6}));
  EXPECT_EQ(next, (std::vector<int64_t>{2, 2, 5, 5, 5, 8, 8, 8, 11}));
}

}  // namespace
}  // namespace tessera::folded_cnn
