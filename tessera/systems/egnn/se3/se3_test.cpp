#include <gtest/gtest.h>

#include <ATen/ATen.h>

#include "tessera/core/error.h"
#include "tessera/io/tensor_file.h"
#include "tessera/systems/egnn/se3/change_of_basis.h"
#include "tessera/systems/egnn/se3/radial_contraction.h"
#include "tessera/systems/egnn/se3/se3_models.h"
#include "tessera/systems/egnn/test_inputs.h"

// The two SE(3) baselines: what they must do under rotations, translations and batching, whatever
// their weights. That they are the authors' is checked by the cases.

namespace tessera::egnn {
namespace {

using testing::random_orthogonal;
using testing::relative_error;
using testing::with;

EgnnConfig config_of(const std::string& architecture, int64_t num_degrees) {
  EgnnConfig config = EgnnConfig::of(architecture);
  config.num_layers = 3;
  config.num_degrees = num_degrees;
  config.channels = 4;
  return config;
}

/// With a scalar_trick of 1: at its own 0.01 an error of the network would hide below tolerances.
std::shared_ptr<Model> double_model(const EgnnConfig& config) {
  at::manual_seed(1);
  auto model = make_se3_model(config);
  model->to(at::kDouble);
  const at::NoGradGuard no_grad;
  for (auto& parameter : model->named_parameters()) {
    if (parameter.key().ends_with("scalar_trick")) parameter.value().fill_(1);
    if (parameter.key().ends_with("bias")) parameter.value().uniform_(-0.5, 0.5);
  }
  return model;
}

TensorMap random_systems(int64_t num_systems, int64_t num_particles, uint64_t seed = 2) {
  at::manual_seed(seed);
  const int64_t rows = num_systems * num_particles;
  return {{"x", at::randn({rows, 3}, at::kDouble)},
          {"vel", at::randn({rows, 3}, at::kDouble)},
          {"charges", at::randn({rows, 1}, at::kDouble).sign()}};
}

class Se3Network : public ::testing::TestWithParam<std::tuple<const char*, int64_t>> {
 protected:
  EgnnConfig config() const { return config_of(std::get<0>(GetParam()), std::get<1>(GetParam())); }

  /// The error of x(R x + t, R v) = R x(x, v) + t.
  double equivariance_error(const at::Tensor& R) const {
    const auto model = double_model(config());
    const TensorMap inputs = random_systems(2, 5);
    const at::Tensor t = at::randn({1, 3}, at::kDouble) * 5;
    TensorMap moved = with(inputs, "x", inputs.at("x").mm(R.t()) + t);
    moved.set("vel", inputs.at("vel").mm(R.t()));
    const at::Tensor expected = model->run(inputs).at("x").mm(R.t()) + t;
    return relative_error(model->run(moved).at("x"), expected);
  }
};

TEST_P(Se3Network, turns_with_proper_rotations_and_moves_with_translations) {
  at::manual_seed(7);
  for (int repeat = 0; repeat < 3; ++repeat) {
    EXPECT_LT(equivariance_error(random_orthogonal(3, 1, at::kDouble)), 1e-8);
  }
}

TEST_P(Se3Network, does_not_turn_with_reflections) {
  at::manual_seed(8);
  const double error = equivariance_error(random_orthogonal(3, -1, at::kDouble));
  EXPECT_GT(error, 1e-4) << "the odd J of kernels between equal degrees change sign";
}

TEST_P(Se3Network, treats_each_system_of_a_batch_by_itself) {
  const auto model = double_model(config());
  const TensorMap inputs = random_systems(3, 5);
  const TensorMap together = model->run(inputs);
  for (int64_t system = 0; system < 3; ++system) {
    TensorMap one;
    for (const auto& [name, tensor] : inputs) one.set(name, tensor.narrow(0, 5 * system, 5));
    const TensorMap alone = model->run(one);
    for (const auto& [name, tensor] : alone) {
      const int64_t rows = tensor.size(0);
      EXPECT_LT(relative_error(together.at(name).narrow(0, rows * system, rows), tensor), 1e-13)
          << name;
    }
  }
}

TEST_P(Se3Network, permutes_with_the_particles) {
  const auto model = double_model(config());
  const TensorMap inputs = random_systems(1, 5);
  const at::Tensor order = at::tensor({3, 0, 4, 1, 2}, at::kLong);
  TensorMap permuted;
  for (const auto& [name, tensor] : inputs) permuted.set(name, tensor.index_select(0, order));
  EXPECT_LT(relative_error(model->run(permuted).at("x"),
                           model->run(inputs).at("x").index_select(0, order)),
            1e-13);
}

TEST_P(Se3Network, has_finite_gradients_where_particles_coincide) {
  const auto model = double_model(config());
  TensorMap inputs = random_systems(2, 5);
  at::Tensor x = inputs.at("x").clone();
  x[1].copy_(x[0]);
  inputs.set("x", x.requires_grad_());
  model->run(inputs).at("x").square().sum().backward();
  EXPECT_TRUE(x.grad().isfinite().all().item<bool>());
  for (const auto& parameter : model->named_parameters()) {
    const at::Tensor& grad = parameter.value().grad();
    ASSERT_TRUE(grad.defined()) << parameter.key();
    EXPECT_TRUE(grad.isfinite().all().item<bool>()) << parameter.key();
  }
}

TEST_P(Se3Network, leaves_a_particle_alone_where_it_is) {
  EgnnConfig alone = config();
  alone.num_particles = 1;
  const TensorMap inputs = random_systems(3, 1);
  EXPECT_TRUE(double_model(alone)->run(inputs).at("x").equal(inputs.at("x")));
}

TEST_P(Se3Network, gives_the_harmonics_of_each_edge_sender_by_sender) {
  const auto model = double_model(config());
  const TensorMap inputs = random_systems(1, 5);
  const at::Tensor x = inputs.at("x");
  const at::Tensor d = x[3] - x[2];  // edge 2 → 3: after 4 edges each of nodes 0 and 1, its third
  const at::Tensor expected = -std::sqrt(3 / (4 * M_PI)) * d / d.norm();
  EXPECT_LT(relative_error(model->run(inputs).at("sh_1")[2 * 4 + 2], expected), 1e-14);
}

INSTANTIATE_TEST_SUITE_P(Degrees, Se3Network,
                         ::testing::Combine(::testing::Values("tfn", "se3_transformer"),
                                            ::testing::Values(2, 3, 4)));

TEST(Se3Model, with_scalar_features_inside_still_maps_vectors_to_vectors) {
  EXPECT_LT(relative_error(double_model(config_of("tfn", 1))->run(random_systems(1, 5)).at("x"),
                           random_systems(1, 5).at("x")),
            100);
}

TEST(Se3Model, gradient_of_velocity_and_charge_is_the_difference_quotient) {
  for (const char* architecture : {"tfn", "se3_transformer"}) {
    const auto model = double_model(config_of(architecture, 2));
    TensorMap inputs = random_systems(1, 3 + 2);
    const at::Tensor weight = at::randn({5, 3}, at::kDouble);
    for (const char* name : {"vel", "charges"}) {
      const at::Tensor value = inputs.at(name), direction = at::randn_like(value);
      const auto loss = [&](double step) {
        return (model->run(with(inputs, name, value + step * direction)).at("x") * weight).sum();
      };
      const at::Tensor leaf = value.clone().requires_grad_();
      (model->run(with(inputs, name, leaf)).at("x") * weight).sum().backward();
      const double exact = (leaf.grad() * direction).sum().item<double>();
      const double quotient = (loss(1e-6) - loss(-1e-6)).item<double>() / 2e-6;
      EXPECT_NEAR(exact, quotient, 1e-6 * (1 + std::abs(exact))) << architecture << " " << name;
    }
  }
}

TEST(Se3Model, takes_the_change_of_basis_of_a_file_and_derives_it_without_one) {
  const EgnnConfig config = config_of("tfn", 2);
  const auto model = double_model(config);
  TensorMap weights = weights_of(*model);
  EXPECT_TRUE(weights.at("Q_1_1_1").equal(se3::change_of_basis(1, 1, 1)));

  const TensorMap inputs = random_systems(1, 5);
  const at::Tensor before = model->run(inputs).at("x");
  weights.set("Q_1_1_1", -weights.at("Q_1_1_1"));
  const auto flipped = double_model(config);
  load_weights(*flipped, weights);
  EXPECT_GT(relative_error(flipped->run(inputs).at("x"), before), 1e-4);

  weights.erase("Q_1_1_1");
  const auto derived = double_model(config);
  load_weights(*derived, weights);
  EXPECT_TRUE(derived->run(inputs).at("x").equal(before));
}

TEST(Se3Model, keeps_its_inputs) {
  const TensorMap inputs = random_systems(2, 5);
  TensorMap copies;
  for (const auto& [name, tensor] : inputs) copies.set(name, tensor.clone());
  double_model(config_of("se3_transformer", 2))->run(inputs);
  for (const auto& [name, tensor] : inputs) EXPECT_TRUE(tensor.equal(copies.at(name))) << name;
}

template <class F>
std::string id_of_refusal(F run) {
  try {
    run();
  } catch (const InvalidArgument& error) {
    return error.id();
  }
  return "none";
}

TEST(Se3Model, refuses_what_does_not_fit) {
  const auto model = double_model(config_of("tfn", 2));
  const TensorMap good = random_systems(2, 5);
  const auto refusal = [&](const std::string& name, const at::Tensor& tensor) {
    return id_of_refusal([&] { model->run(with(good, name, tensor)); });
  };
  const at::Tensor x = good.at("x");
  EXPECT_EQ(refusal("x", x.narrow(1, 0, 2)), "T-EGNN-10");
  EXPECT_EQ(refusal("vel", x.narrow(0, 0, 5)), "T-EGNN-11");
  EXPECT_EQ(refusal("charges", good.at("charges").to(at::kFloat)), "T-EGNN-12");
  EXPECT_EQ(refusal("x", x / 0), "T-EGNN-14");
  EXPECT_EQ(id_of_refusal([&] { model->run(random_systems(3, 3)); }), "T-EGNN-30");

  EgnnConfig two_heads = config_of("se3_transformer", 2);
  two_heads.num_heads = 2;
  EXPECT_EQ(id_of_refusal([&] { make_se3_model(two_heads); }), "T-EGNN-31");
}

/// Gradients of the four arguments for a fixed random cotangent, after the result.
template <class F>
std::vector<at::Tensor> result_and_gradients(F contraction, std::vector<at::Tensor> arguments) {
  for (at::Tensor& argument : arguments) argument = argument.detach().requires_grad_();
  at::Tensor result = contraction(arguments[0], arguments[1], arguments[2], arguments[3]);
  at::manual_seed(5);
  result.backward(at::randn_like(result));
  std::vector<at::Tensor> all = {result.detach()};
  for (const at::Tensor& argument : arguments) all.push_back(argument.grad());
  return all;
}

TEST(RadialContraction, is_its_plain_version) {
  // One pair, one block, and several blocks with a smaller last one.
  for (int64_t num_pairs : {0, 1, 7, 333}) {
    at::manual_seed(6);
    const int64_t S = 6, H = 32, K = 40, m = 20;
    const std::vector<at::Tensor> arguments = {
        at::randn({num_pairs, S, K}, at::kDouble), at::randn({num_pairs, H}, at::kDouble),
        at::randn({K * m, H}, at::kDouble), at::randn({K * m}, at::kDouble)};
    const auto fast = result_and_gradients(se3::radial_contraction, arguments);
    const auto plain = result_and_gradients(se3::radial_contraction_plain, arguments);
    for (size_t i = 0; i < fast.size(); ++i) {
      EXPECT_LT(relative_error(fast[i], plain[i]), 1e-13) << num_pairs << " pairs, tensor " << i;
    }
  }
}

}  // namespace
}  // namespace tessera::egnn
