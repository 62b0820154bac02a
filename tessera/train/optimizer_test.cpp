#include "tessera/train/optimizer.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tessera/core/error.h"

namespace tessera::train {
namespace {

/// Three parameters in double: one with a gradient in every step, one from step 2 on, one never.
struct Problem {
  at::Tensor a = torch::tensor({1.0, -2.0, 3.0}, torch::kDouble).requires_grad_();
  at::Tensor b = torch::tensor({0.5, 0.25}, torch::kDouble).requires_grad_();
  at::Tensor c = torch::tensor({7.0}, torch::kDouble).requires_grad_();
  std::unique_ptr<Optimizer> optimizer;

  explicit Problem(const std::string& spec)
      : optimizer(Optimizer::make(Json::parse(spec), {{"a", a}, {"b", b}, {"c", c}})) {}

  void step(int s) {
    optimizer->zero_grad();
    const auto scale = torch::tensor({1.0, 2.0, 3.0}, torch::kDouble);
    auto loss = (scale * a * a).sum() * 0.5 + 0.1 * s * a.sum();
    if (s >= 2) loss = loss + (b - 1).pow(2).sum();
    loss.backward();
    optimizer->step();
  }
  at::Tensor values() const { return torch::cat({a, b, c}).detach(); }
};

struct Recorded {
  std::string spec;
  std::vector<double> values;  ///< after five steps
};

// From torch.optim 2.13 in float64; the last two from the formulas of Keras and of Long-Range
// Arena.
const std::vector<Recorded> kRecorded = {
    {R"({"name":"adam","lr":0.1,"weight_decay":0.01})",
     {0.5000430061113974, -1.5051515979796264, 2.5011088825585297, 0.7950400516249001,
      0.5475172786745607, 7.0}},
    {R"({"name":"adam","lr":0.05,"betas":[0.8,0.95],"eps":0.001})",
     {0.7488446608374125, -1.7522794424013517, 2.750227584947431, 0.6487186562966664,
      0.3992312265590172, 7.0}},
    {R"({"name":"adamw","lr":0.1})",
     {0.49604742944890357, -1.4962740177385871, 2.4871897195450323, 0.7933786616355298,
      0.5465059781211841, 7.0}},
    {R"({"name":"sgd","lr":0.1})",
     {0.5000000000000001, -0.73728, 0.42998000000000003, 0.744, 0.616, 7.0}},
    {R"({"name":"sgd","lr":0.1,"momentum":0.9,"weight_decay":0.02,"dampening":0.1})",
     {-0.14322759734771795, 0.9452530194278774, -2.4408974896519426, 0.9453605327600001,
      0.9225393903800001, 7.0}},
    {R"({"name":"sgd","lr":0.1,"momentum":0.9,"nesterov":true})",
     {-0.32395079290000006, 0.6518964096000003, -1.1903147221, 1.054176, 1.081264, 7.0}},
    {R"({"name":"rmsprop","lr":0.01,"weight_decay":0.1})",
     {0.6712187940600411, -1.6927138277423603, 2.679113675035732, 0.7071583922361594,
      0.4657867320258402, 7.0}},
    {R"({"name":"rmsprop","lr":0.01,"momentum":0.5,"centered":true,"alpha":0.9})",
     {0.7890266616376337, -1.8031394402371237, 2.7966329252895097, 0.6159703287644995,
      0.3670588785601858, 7.0}},
    {R"({"name":"adam_keras","lr":0.1,"eps":0.001})",
     {0.509883539373504, -1.507815000103928, 2.502253323942523, 0.7878321131649543,
      0.5426474577424357, 7.0}},
    {R"({"name":"lra_adam","lr":0.1,"weight_decay":0.1})",
     {0.4612172962097123, -1.41723422431516, 2.3642721624599266, 0.7781292405639797,
      0.537492882654416, 7.0}},
};

TEST(Optimizer, a_head_has_its_own_rate) {
  for (const char* name : {"sgd", "adam", "adamw", "rmsprop"}) {
    const auto moved = [&](double ratio) {
      const at::Tensor body = torch::ones({2}, torch::kDouble).requires_grad_(),
                       head = torch::ones({2}, torch::kDouble).requires_grad_();
      const auto optimizer = Optimizer::make(
          Json{{"name", name}, {"lr", 0.1}, {"head_lr_ratio", ratio}, {"weight_decay", 0.0}},
          {{"f_net.w", body}, {"c_net.w", head}});
      (body.sum() + head.sum()).backward();
      optimizer->step();
      return std::pair(1 - body[0].item<double>(), 1 - head[0].item<double>());
    };
    const auto [body, head] = moved(10);
    EXPECT_NEAR(head, 10 * body, 1e-6 * head) << name;
    const auto [same, as_head] = moved(1);
    EXPECT_EQ(same, as_head) << name;
    EXPECT_EQ(same, body) << name;
  }
}

TEST(Optimizer, five_steps_equal_those_of_torch) {
  for (const Recorded& recorded : kRecorded) {
    Problem problem(recorded.spec);
    for (int s = 0; s < 5; ++s) problem.step(s);
    const auto expected = torch::tensor(recorded.values, torch::kDouble);
    EXPECT_TRUE(torch::allclose(problem.values(), expected, 1e-12, 1e-14))
        << recorded.spec << "\n"
        << problem.values() << "\n"
        << expected;
  }
}

TEST(Optimizer, a_restored_state_continues_bit_for_bit) {
  for (const Recorded& recorded : kRecorded) {
    Problem whole(recorded.spec), half(recorded.spec), rest(recorded.spec);
    for (int s = 0; s < 6; ++s) whole.step(s);
    for (int s = 0; s < 3; ++s) half.step(s);
    const torch::NoGradGuard no_grad;
    rest.a.copy_(half.a);
    rest.b.copy_(half.b);
    rest.optimizer->restore(half.optimizer->state());
    {
      const torch::AutoGradMode grad(true);
      for (int s = 3; s < 6; ++s) rest.step(s);
    }
    EXPECT_TRUE(torch::equal(whole.values(), rest.values())) << recorded.spec;
  }
}

TEST(Optimizer, a_parameter_without_gradient_has_no_state) {
  Problem problem(R"({"name":"adam","lr":0.1,"weight_decay":0.5})");
  problem.step(0);
  EXPECT_TRUE(problem.optimizer->state().contains("exp_avg/a"));
  EXPECT_FALSE(problem.optimizer->state().contains("exp_avg/b"));
  EXPECT_FALSE(problem.optimizer->state().contains("updates/c"));
  EXPECT_EQ(problem.c.item<double>(), 7.0);
}

TEST(Optimizer, a_gradient_laid_out_otherwise_gives_the_same_update) {
  const auto weight = torch::arange(6, torch::kDouble).reshape({2, 3}).requires_grad_();
  const auto twin = weight.detach().clone().requires_grad_();
  weight.mutable_grad() = torch::arange(6, torch::kDouble).reshape({3, 2}).t();
  twin.mutable_grad() = weight.grad().contiguous();
  Optimizer::make(Json{{"name", "adam"}}, {{"w", weight}})->step();
  Optimizer::make(Json{{"name", "adam"}}, {{"w", twin}})->step();
  EXPECT_TRUE(torch::equal(weight, twin));
}

TEST(Optimizer, settings_of_another_optimizer_are_refused) {
  const auto refuses = [](const char* spec) {
    EXPECT_THROW(Optimizer::make(Json::parse(spec), {}), InvalidArgument) << spec;
  };
  refuses(R"({"name":"adam","momentum":0.9})");
  refuses(R"({"name":"sgd","betas":[0.9,0.99]})");
  refuses(R"({"name":"sgd","eps":0.1})");
  refuses(R"({"name":"sgd","nesterov":true})");
  refuses(R"({"name":"adam","alpha":0.5})");
  refuses(R"({"name":"adam","betas":[0.9,1.0]})");
  refuses(R"({"name":"adm"})");
}

TEST(Optimizer, parameters_and_states_that_do_not_fit_are_refused) {
  const Json adam{{"name", "adam"}};
  EXPECT_THROW(Optimizer::make(adam, {{"w", torch::ones(2, torch::kInt)}}), InvalidArgument);
  EXPECT_THROW(Optimizer::make(adam, {{"w", torch::ones(4).slice(0, 0, 4, 2)}}), InvalidArgument);
  Problem problem(R"({"name":"adam"})");
  problem.step(0);
  TensorMap state = problem.optimizer->state();
  state.set("exp_avg/a", torch::ones(5));
  EXPECT_THROW(problem.optimizer->restore(state), InvalidArgument);
  EXPECT_THROW(problem.optimizer->restore({{"momentum/a", torch::ones(3)}}), InvalidArgument);
}

TEST(ClipGradNorm, gradients_keep_their_direction_and_get_the_norm) {
  const auto a = torch::zeros(2).requires_grad_(), b = torch::zeros(1).requires_grad_(),
             c = torch::zeros(1).requires_grad_();
  a.mutable_grad() = torch::tensor({3.0f, 0.0f});
  b.mutable_grad() = torch::tensor({4.0f});
  const auto optimizer = Optimizer::make(Json{{"name", "sgd"}}, {{"a", a}, {"b", b}, {"c", c}});
  EXPECT_FLOAT_EQ(optimizer->clip_grad_norm(10).item<float>(), 5);
  EXPECT_FLOAT_EQ(b.grad().item<float>(), 4);
  EXPECT_FLOAT_EQ(optimizer->clip_grad_norm(0.5).item<float>(), 5);
  EXPECT_NEAR(a.grad()[0].item<float>(), 0.3, 1e-6);
  EXPECT_NEAR(b.grad().item<float>(), 0.4, 1e-6);
}

// ---- Masked products ----------------------------------------------------------------------------

constexpr double kL1 = 0.05, kEdgeL1 = 0.2;

/// Two products, one of them a mask alone, and a plain parameter: trained from the factors with the
/// penalty in the loss, or from the products.
struct Masked {
  at::Tensor weight = grid(0.5).t().requires_grad_();  // turned in memory, as UGS has them
  at::Tensor mask = (grid(0.03) + 0.9).t().requires_grad_();
  at::Tensor fixed = (grid(1) > 1).to(torch::kDouble).t();
  at::Tensor edges = torch::tensor({1.01, 0.0, -0.3}, torch::kDouble).requires_grad_();
  at::Tensor kept = torch::tensor({1.0, 0.0, 1.0}, torch::kDouble);
  at::Tensor bias = torch::tensor({0.25, -0.5}, torch::kDouble).requires_grad_();
  MaskedProducts products;
  std::unique_ptr<Optimizer> optimizer;

  Masked(const std::string& spec, bool takes_products) {
    if (takes_products) {
      products = {std::make_shared<MaskedProduct>(weight, mask, fixed),
                  std::make_shared<MaskedProduct>(at::Tensor(), edges, kept)};
      products[0]->take(kL1);
      products[1]->take(kEdgeL1);
    }
    optimizer =
        Optimizer::make(Json::parse(spec),
                        {{"w", weight}, {"w_mask", mask}, {"edges", edges}, {"b", bias}}, products);
  }
  static at::Tensor grid(double scale) {
    return scale * (torch::arange(6, torch::kDouble).reshape({3, 2}) - 2.5);
  }

  at::Tensor loss(bool reads_weight = false) {
    const bool takes = !products.empty();
    const at::Tensor w_23 = takes ? products[0]->read() : weight * mask * fixed;
    const at::Tensor e_3 = takes ? products[1]->read() : edges * kept;
    at::Tensor sum = ((torch::mv(w_23, e_3) + bias) - 1).square().sum();
    if (reads_weight) sum = sum + 0.1 * weight.square().sum();
    if (takes) return sum;
    if (mask.requires_grad()) sum = sum + kL1 * mask.abs().sum();
    return edges.requires_grad() ? sum + kEdgeL1 * edges.abs().sum() : sum;
  }
  void step(bool reads_weight = false) {
    optimizer->zero_grad();
    loss(reads_weight).backward();
    optimizer->step();
  }
  at::Tensor values() const {
    return torch::cat({weight.flatten(), mask.flatten(), edges, bias}).detach();
  }
};

void expect_same(const Masked& a, const Masked& b, const std::string& what) {
  EXPECT_LE((a.values() - b.values()).abs().max().item<double>(), 1e-13) << what;
  const TensorMap expected = a.optimizer->state(), state = b.optimizer->state();
  EXPECT_EQ(state.size(), expected.size()) << what;
  for (const auto& [name, tensor] : expected) {
    ASSERT_TRUE(state.contains(name)) << what << " " << name;
    EXPECT_LE((tensor - state.at(name)).abs().max().item<double>(), 1e-13) << what << " " << name;
  }
}

const char* const kProductRules[] = {
    R"({"name":"adam","lr":0.05,"weight_decay":0.01})",
    R"({"name":"adam_keras","lr":0.05})",
    R"({"name":"adamw","lr":0.05})",
    R"({"name":"adam","lr":0.05,"head_lr_ratio":10,"head":"w_"})",
    R"({"name":"sgd","lr":0.05,"momentum":0.9})",
};

TEST(Products, are_trained_as_their_factors_with_the_penalty_in_the_loss) {
  for (const char* rule : kProductRules) {
    Masked factors(rule, false), products(rule, true);
    for (int s = 0; s < 5; ++s) {
      // A weight that the loss reads beside its product has a gradient of its own.
      factors.step(s == 3);
      products.step(s == 3);
    }
    expect_same(factors, products, rule);
  }
}

TEST(Products, of_frozen_masks_train_their_weights_alone) {
  for (const char* rule : kProductRules) {
    Masked factors(rule, false), products(rule, true);
    for (Masked* it : {&factors, &products}) {
      for (int s = 0; s < 4; ++s) {
        for (const at::Tensor& mask : {it->mask, it->edges}) mask.requires_grad_(s < 2);
        it->step();
      }
    }
    expect_same(factors, products, rule);
  }
}

TEST(Products, add_up_over_the_batches_of_an_update_with_one_penalty) {
  Masked factors(kProductRules[0], false), products(kProductRules[0], true);
  for (int s = 0; s < 3; ++s) {
    for (Masked* it : {&factors, &products}) it->optimizer->zero_grad();
    const at::Tensor penalty = kL1 * factors.mask.abs().sum() + kEdgeL1 * factors.edges.abs().sum();
    (2 * factors.loss() - penalty).backward();
    for (int batch = 0; batch < 2; ++batch) products.loss().backward();
    for (Masked* it : {&factors, &products}) it->optimizer->step();
  }
  expect_same(factors, products, "two batches");
}

TEST(Products, are_clipped_with_their_penalties) {
  for (const char* rule : kProductRules) {
    Masked factors(rule, false), products(rule, true);
    for (Masked* it : {&factors, &products}) {
      for (int s = 0; s < 3; ++s) {
        it->optimizer->zero_grad();
        it->loss().backward();
        it->optimizer->clip_grad_norm(0.5);
        it->optimizer->step();
      }
    }
    expect_same(factors, products, rule);
  }
}

TEST(Products, continue_bit_for_bit_from_a_restored_state) {
  Masked whole(kProductRules[0], true), half(kProductRules[0], true), rest(kProductRules[0], true);
  for (int s = 0; s < 6; ++s) whole.step();
  for (int s = 0; s < 3; ++s) half.step();
  rest.loss();  // its products are of the first values now
  {
    const torch::NoGradGuard no_grad;
    rest.weight.copy_(half.weight), rest.mask.copy_(half.mask);
    rest.edges.copy_(half.edges), rest.bias.copy_(half.bias);
  }
  rest.optimizer->restore(half.optimizer->state());
  for (int s = 3; s < 6; ++s) rest.step();
  EXPECT_TRUE(torch::equal(whole.values(), rest.values()));
}

}  // namespace
}  // namespace tessera::train
