#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <map>

#include "tessera/ops/unicornn_recurrence.h"
#include "tessera/systems/unicornn/losses.h"
#include "tessera/systems/unicornn/network.h"
#include "tessera/systems/unicornn/test_models.h"

// What section 2 of the paper and the authors' code fix: parameters and their draws, the inverse,
// symplecticity, energy, independence of neurons, dropout.

namespace tessera::unicornn {
namespace {

using testing::config_of;
using testing::draw;
using testing::model_of;
using testing::small;

int64_t parameter_count(const Model& model) {
  int64_t count = 0;
  for (const at::Tensor& parameter : model.parameters()) count += parameter.numel();
  return count;
}

TEST(UnicornnModel, parameter_counts_are_the_papers) {
  const std::vector<std::pair<Json, int64_t>> counts = {
      {{{"hidden_dim", 256}}, 136202},
      {{{"hidden_dim", 128}}, 35338},
      {{{"input_dim", 96}, {"hidden_dim", 128}}, 47498},
      {{{"input_dim", 6}, {"hidden_dim", 32}, {"num_layers", 2}, {"num_classes", 5}}, 1573},
      {{{"vocab_size", 10}, {"num_layers", 2}, {"num_classes", 1}}, 30081 + 1000}};
  for (const auto& [values, count] : counts) {
    EXPECT_EQ(parameter_count(*make_model(config_of(values))), count) << values;
  }
}

TEST(UnicornnModel, names_are_the_authors) {
  const TensorMap weights = weights_of(
      *make_model(config_of({{"num_layers", 3}, {"residual", "learned"}, {"vocab_size", 5}})));
  for (const char* name :
       {"embedding.weight", "DIs.0.fc.weight", "DIs.2.fc.bias", "RNNs.0.weight_hh", "RNNs.2.c_",
        "classifier.weight", "classifier.bias", "residual.2.weight"}) {
    EXPECT_TRUE(weights.contains(name)) << name;
  }
  EXPECT_EQ(weights.size(), 1u + 6 + 6 + 2 + 1);
}

TEST(UnicornnModel, draws_are_those_of_the_authors_initialisation) {
  seed_default_generators(3);
  const auto model = make_model(
      config_of({{"hidden_dim", 400}, {"num_layers", 2}, {"input_dim", 50}, {"residual", "none"}}));
  const TensorMap w = weights_of(*model);
  const double bound = std::sqrt(6.0 / (65 * 50));
  EXPECT_NEAR(w.at("DIs.0.fc.weight").abs().max().item<double>(), bound, 0.01 * bound);
  EXPECT_EQ(w.at("DIs.1.fc.bias").abs().max().item<double>(), 0);
  EXPECT_GE(w.at("RNNs.0.weight_hh").min().item<double>(), 0);
  EXPECT_NEAR(w.at("RNNs.0.weight_hh").mean().item<double>(), 0.5, 0.05);
  EXPECT_NEAR(w.at("RNNs.1.c_").abs().max().item<double>(), 0.1, 0.005);
  EXPECT_NEAR(w.at("classifier.weight").std().item<double>(), std::sqrt(2.0 / 400), 0.003);
  EXPECT_EQ(w.at("classifier.bias").abs().max().item<double>(), 0);
}

TEST(UnicornnModel, all_backward_modes_and_layouts_give_one_gradient) {
  for (const char* residual : {"none", "learned", "identity"}) {
    std::map<std::string, at::Tensor> first;
    for (const char* mode : {"store", "reconstruct", "full_reversible"}) {
      for (const bool batch_first : {false, true}) {
        const auto model = model_of(
            small({{"backward", mode}, {"residual", residual}, {"batch_first", batch_first}}));
        at::Tensor x = draw({30, 4, 3});
        if (batch_first) x = x.transpose(0, 1).contiguous();
        x.requires_grad_();
        const TensorMap out = model->run({{"x", x}, {"noise_dropout", draw({3, 4, 7}, 9)}});
        at::Tensor y = out.at("y");
        if (batch_first) y = y.transpose(0, 1);
        (out.at("logits").square().sum() + (y * draw(y.sizes(), 2)).sum() +
         (out.at("z_n") * draw({3, 4, 7}, 3)).sum())
            .backward();
        std::map<std::string, at::Tensor> gradients = {
            {"x", batch_first ? x.grad().transpose(0, 1) : x.grad()}};
        for (const auto& item : model->named_parameters()) {
          gradients[item.key()] = item.value().grad();
        }
        if (first.empty()) first = gradients;
        for (const auto& [name, gradient] : gradients) {
          EXPECT_TRUE(at::allclose(gradient, first.at(name), 1e-9, 1e-13))
              << name << " with " << mode << " and residual " << residual;
        }
      }
    }
  }
}

// ---- The recurrence -----------------------------------------------------------------------------

ops::UnicornnOscillators oscillators(int64_t width, double dt, double alpha,
                                     at::ScalarType dtype = at::kDouble) {
  return {at::rand({width}, at::detail::createCPUGenerator(4), at::kDouble).to(dtype),
          (at::rand({width}, at::detail::createCPUGenerator(5), at::kDouble) * 0.2 - 0.1).to(dtype),
          dt, alpha};
}

TEST(UnicornnRecurrence, the_inverse_recovers_the_start) {
  const at::NoGradGuard no_grad;
  for (const auto& [dtype, bound] : {std::pair(at::kDouble, 1e-13 * 1.784), {at::kFloat, 1e-5}}) {
    const auto o = oscillators(12, 0.19, 30.65, dtype);
    const at::Tensor q = draw({784, 3, 12}, 1, dtype), s = ops::unicornn_step(o);
    auto [y, z] = ops::unicornn_recurrence(q, o).state;
    for (int64_t t = q.size(0) - 1; t >= 0; --t) {
      y = y - s * z;
      z = z + s * (at::tanh(o.w * y + q[t]) + o.alpha * y);
    }
    EXPECT_LE(y.abs().max().item<double>(), bound);
    EXPECT_LE(z.abs().max().item<double>(), bound);
  }
}

TEST(UnicornnRecurrence, a_step_keeps_areas_of_phase_space) {
  const auto o = oscillators(1, 0.4, 6);
  for (uint64_t seed = 1; seed < 20; ++seed) {
    const at::Tensor state = draw({2}, seed).requires_grad_();
    const auto after = ops::unicornn_recurrence(draw({1, 1, 1}, seed + 50), o,
                                                {state[0].view({1, 1}), state[1].view({1, 1})})
                           .state;
    const auto row = [&](const at::Tensor& value) {
      return torch::autograd::grad({value.sum()}, {state}, {}, /*retain_graph=*/true)[0];
    };
    const at::Tensor jacobian = at::stack({row(after.y), row(after.z)});
    EXPECT_NEAR(at::det(jacobian).item<double>(), 1, 1e-14);
  }
}

TEST(UnicornnRecurrence, energy_does_not_drift_over_100000_steps) {
  const at::NoGradGuard no_grad;
  const auto o = oscillators(16, 0.126, 13);
  const at::Tensor q_t = draw({1, 16}) * 0.5;
  const auto energy = [&](const ops::UnicornnState& state) {
    return 0.5 * state.z.square() + 0.5 * o.alpha * state.y.square() +
           at::log(at::cosh(o.w * state.y + q_t)) / o.w;
  };
  const at::Tensor q = q_t.expand({1000, 1, 16}).contiguous();
  ops::UnicornnState state = {at::zeros_like(q_t), at::ones_like(q_t)};
  const at::Tensor start = energy(state);
  double worst = 0;
  for (int part = 0; part < 100; ++part) {
    state = ops::unicornn_recurrence(q, o, state, {}, /*sequence=*/false).state;
    worst = std::max(worst, ((energy(state) - start) / start).abs().max().item<double>());
  }
  EXPECT_LE(worst, 2 * 0.126);
}

TEST(UnicornnRecurrence, the_first_step_has_the_opposite_sign_of_its_drive) {
  const auto o = oscillators(5, 0.19, 30.65);
  const at::Tensor w = o.w.clone().requires_grad_(), q = draw({1, 2, 5});
  const at::Tensor y = ops::unicornn_recurrence(q, {w, o.c, o.dt, o.alpha}).y;
  EXPECT_TRUE(at::allclose(y[0], -ops::unicornn_step(o).square() * at::tanh(q[0]), 1e-14));
  y.sum().backward();
  EXPECT_EQ(w.grad().abs().max().item<double>(), 0);
}

TEST(UnicornnRecurrence, neurons_are_independent) {
  const at::NoGradGuard no_grad;
  const auto o = oscillators(9, 0.2, 5);
  const at::Tensor q = draw({20, 3, 9});
  const at::Tensor before = ops::unicornn_recurrence(q, o).y;
  const auto only_neuron_4_changes = [&](const at::Tensor& after) {
    const at::Tensor changed = (after != before).any(0).any(0);
    EXPECT_TRUE(changed[4].item<bool>());
    EXPECT_EQ(changed.sum().item<int64_t>(), 1);
  };
  at::Tensor w = o.w.clone(), c = o.c.clone(), other = q.clone();
  w[4] += 0.5;
  c[4] += 0.5;
  other.select(2, 4) += 0.5;
  only_neuron_4_changes(ops::unicornn_recurrence(q, {w, o.c, o.dt, o.alpha}).y);
  only_neuron_4_changes(ops::unicornn_recurrence(q, {o.w, c, o.dt, o.alpha}).y);
  only_neuron_4_changes(ops::unicornn_recurrence(other, o).y);
}

// ---- The network --------------------------------------------------------------------------------

TEST(UnicornnModel, is_causal) {
  const at::NoGradGuard no_grad;
  const auto model = model_of(small());
  const at::Tensor x = draw({20, 2, 3});
  at::Tensor changed = x.clone();
  changed.narrow(0, 12, 8) += 1;
  const at::Tensor y = model->run({{"x", x}}).at("y"), other = model->run({{"x", changed}}).at("y");
  EXPECT_TRUE(at::equal(y.narrow(0, 0, 12), other.narrow(0, 0, 12)));
  EXPECT_FALSE(at::equal(y[12], other[12]));
}

TEST(UnicornnModel, a_stream_with_carried_state_equals_one_pass) {
  const at::NoGradGuard no_grad;
  const auto model = model_of(small());
  const at::Tensor x = draw({40, 2, 3});
  const TensorMap whole = model->run({{"x", x}});
  TensorMap carried;
  std::vector<at::Tensor> parts;
  for (int64_t first = 0; first < 40; first += 8) {
    TensorMap inputs = {{"x", x.narrow(0, first, 8)}};
    if (first > 0) {
      inputs.set("y0", carried.at("y_n"));
      inputs.set("z0", carried.at("z_n"));
    }
    carried = model->run(inputs);
    parts.push_back(carried.at("y"));
  }
  // The products of fewer rows may be summed in another order: the recurrence itself is bit-equal
  // (unicornn_recurrence_test.cpp).
  EXPECT_TRUE(at::allclose(at::cat(parts), whole.at("y"), 1e-13, 1e-16));
  EXPECT_TRUE(at::allclose(carried.at("logits"), whole.at("logits"), 1e-13, 1e-15));
}

TEST(UnicornnModel, samples_and_neurons_may_be_permuted) {
  const at::NoGradGuard no_grad;
  const auto model = model_of(small({{"num_layers", 1}, {"dt", 0.2}}));
  const at::Tensor x = draw({15, 4, 3}), order = at::tensor({2, 0, 3, 1});
  const TensorMap out = model->run({{"x", x}});
  EXPECT_TRUE(at::allclose(model->run({{"x", x.index_select(1, order)}}).at("logits"),
                           out.at("logits").index_select(0, order), 1e-13));
  const at::Tensor neurons = at::tensor({6, 0, 3, 1, 5, 2, 4});
  TensorMap weights;
  for (const auto& [name, tensor] : weights_of(*model)) {
    const bool is_readout = name == "classifier.weight";
    const bool is_kept = name == "classifier.bias";
    weights.set(name, is_kept ? tensor.clone() : tensor.index_select(is_readout ? 1 : 0, neurons));
  }
  load_weights(*model, weights);
  const TensorMap turned = model->run({{"x", x}});
  EXPECT_TRUE(at::allclose(turned.at("logits"), out.at("logits"), 1e-12));
  EXPECT_TRUE(at::allclose(turned.at("y"), out.at("y").index_select(2, neurons), 1e-12));
}

TEST(UnicornnModel, evaluation_draws_nothing_and_training_does) {
  const auto model = model_of(small({{"dropout", 0.5}}));
  const at::Tensor x = draw({10, 2, 3});
  const auto next_draw = [&] { return at::rand({1}).item<double>(); };
  at::manual_seed(1);
  const double untouched = next_draw();
  at::manual_seed(1);
  model->eval();
  model->run({{"x", x}});
  EXPECT_EQ(next_draw(), untouched);
  at::manual_seed(1);
  model->train();
  model->run({{"x", x}});
  EXPECT_NE(next_draw(), untouched);
  at::manual_seed(1);
  model->set_draws_noise(false);
  EXPECT_TRUE(at::equal(model->run({{"x", x}}).at("y"), model->run({{"x", x}}).at("y")));
  EXPECT_EQ(next_draw(), untouched);
}

TEST(UnicornnModel, a_mask_is_the_same_at_every_step_and_scaled) {
  const at::NoGradGuard no_grad;
  const auto model = model_of(small({{"dropout", 0.25}, {"num_layers", 1}, {"dt", 0.2}}));
  const at::Tensor x = draw({10, 5, 3});
  model->eval();
  const at::Tensor whole = model->run({{"x", x}}).at("y");
  model->train();
  const at::Tensor ratio = model->run({{"x", x}}).at("y") / whole;
  EXPECT_TRUE(at::allclose(ratio, ratio[0].expand_as(ratio), 1e-12));
  const at::Tensor kept = (ratio[0] - 1 / 0.75).abs() < 1e-12;
  EXPECT_TRUE((kept | (ratio[0] == 0)).all().item<bool>());
  EXPECT_TRUE(kept.any().item<bool>() && !kept.all().item<bool>());
}

TEST(UnicornnModel, the_padding_token_gets_no_gradient_and_words_are_dropped_everywhere) {
  const auto model = model_of(
      small({{"vocab_size", 12}, {"embed_dim", 4}, {"pad_id", 1}, {"embed_dropout", 0.5}}));
  const at::Tensor x =
      torch::randint(12, {20, 3}, at::detail::createCPUGenerator(2), torch::dtype(torch::kLong));
  at::Tensor mask = at::ones({12, 1}, at::kDouble);
  mask[5] = 0;
  model->run({{"x", x}, {"noise_embedding", mask}}).at("logits").sum().backward();
  const at::Tensor gradient = model->named_parameters()["embedding.weight"].grad();
  EXPECT_EQ(gradient[1].abs().max().item<double>(), 0);
  EXPECT_EQ(gradient[5].abs().max().item<double>(), 0);
  EXPECT_GT(gradient[0].abs().max().item<double>(), 0);
}

TEST(UnicornnModel, a_nan_reaches_the_logits) {
  const auto model = model_of(small());
  at::Tensor x = draw({5, 2, 3});
  x[2][0][1] = std::nan("");
  const at::Tensor logits = model->run({{"x", x}}).at("logits");
  EXPECT_TRUE(logits[0].isnan().all().item<bool>());
  EXPECT_FALSE(logits[1].isnan().any().item<bool>());
}

TEST(UnicornnLosses, are_those_of_the_scripts) {
  const at::Tensor logits = draw({4, 1}), y = at::tensor({0.0, 1.0, 1.0, 0.0}, at::kDouble);
  const TensorMap outputs = {{"logits", logits}};
  const auto loss = [&](const char* name, const at::Tensor& target) {
    return trace_loss({{"name", name}}, outputs, {{"y", target}}).item<double>();
  };
  const double bce = at::binary_cross_entropy_with_logits(logits.squeeze(1), y).item<double>();
  EXPECT_DOUBLE_EQ(loss("bce_with_logits", y), bce);
  EXPECT_DOUBLE_EQ(loss("bce_with_logits", y.to(at::kLong)), bce);
  EXPECT_DOUBLE_EQ(loss("mse", y), (logits.squeeze(1) - y).square().mean().item<double>());
  EXPECT_DOUBLE_EQ(loss("l1", y.unsqueeze(1)), (logits.squeeze(1) - y).abs().mean().item<double>());
}

}  // namespace
}  // namespace tessera::unicornn
