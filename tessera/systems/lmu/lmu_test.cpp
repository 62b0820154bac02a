#include <c10/util/Exception.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/types.h>

#include "tessera/core/error.h"
#include "tessera/core/rng.h"
#include "tessera/systems/lmu/mackey_glass.h"
#include "tessera/systems/lmu/memory.h"
#include "tessera/systems/lmu/model.h"
#include "tessera/systems/lmu/procedures.h"
#include "tessera/systems/lmu/weights.h"

// The mathematics of the memory, and what every variant and mode must share.

namespace tessera::lmu {
namespace {

LmuConfig config_of(const Json& values) {
  LmuConfig config;
  read_config(config, values, "model");
  return config;
}

std::shared_ptr<LmuModel> model_of(const Json& values, at::ScalarType dtype = at::kDouble) {
  seed_default_generators(1);
  const auto model = std::dynamic_pointer_cast<LmuModel>(make_model(config_of(values)));
  model->to(dtype);
  return model;
}

at::Tensor draw(at::IntArrayRef sizes, at::ScalarType dtype = at::kDouble, uint64_t seed = 5) {
  return torch::randn(sizes, at::detail::createCPUGenerator(seed), at::kDouble).to(dtype);
}

double largest(const at::Tensor& tensor) { return tensor.abs().max().item<double>(); }

int64_t parameter_count(const Model& model) {
  int64_t count = 0;
  for (const at::Tensor& parameter : model.parameters()) count += parameter.numel();
  return count;
}

Json with(Json values, const Json& more) {
  values.update(more);
  return values;
}

// ---- The state space ----------------------------------------------------------------------------

TEST(StateSpace, zero_order_hold_of_the_specification) {
  const StateSpace system = discretise(delay_system(3), 1.0 / 5, Discretizer::kZoh);
  const at::Tensor A = torch::tensor({{0.814514406127, -0.177575553511, -0.071153138076},
                                      {0.532726660533, 0.35294088367, -0.277312863489},
                                      {-0.355765690379, 0.462188105814, 0.274488056779}},
                                     at::kDouble);
  EXPECT_LT(largest(system.A - A), 1e-11);
  const at::Tensor B =
      torch::tensor({0.185485593873, -0.532726660533, 0.355765690379}, at::kDouble);
  EXPECT_LT(largest(system.B - B), 1e-11);
}

TEST(StateSpace, B_is_what_A_integrates) {
  const StateSpace continuous = delay_system(20);
  const StateSpace system = discretise(continuous, 1.0 / 50, Discretizer::kZoh);
  const at::Tensor expected =
      at::linalg_solve(continuous.A, at::mv(system.A - at::eye(20, at::kDouble), continuous.B));
  EXPECT_LT(largest(system.B - expected), 1e-12);
}

/// Keeps what torch warns of.
class Warnings : public c10::WarningHandler {
 public:
  void process(const c10::Warning& warning) override { texts.push_back(warning.msg()); }
  std::vector<std::string> texts;
};

TEST(StateSpace, warns_once_of_a_memory_that_grows) {
  Warnings heard;
  {
    const c10::WarningUtils::WarningHandlerGuard guard(&heard);
    warn_if_unstable(4, 4, Discretizer::kEuler);  // radius 1.209
    warn_if_unstable(4, 4, Discretizer::kEuler);
    warn_if_unstable(4, 8, Discretizer::kEuler);  // 0.845
    warn_if_unstable(4, 4, Discretizer::kZoh);
  }
  ASSERT_EQ(heard.texts.size(), 1U);
  EXPECT_NE(heard.texts[0].find("spectral radius of 1.2"), std::string::npos) << heard.texts[0];
}

TEST(StateSpace, spectral_radii_are_those_of_the_specification) {
  const auto radius = [](int64_t order, double theta, Discretizer kind) {
    return spectral_radius(delay_system(order), 1 / theta, kind);
  };
  EXPECT_NEAR(radius(256, 784, Discretizer::kZoh), 0.97588, 1e-5);
  EXPECT_NEAR(radius(468, 784, Discretizer::kZoh), 0.97018, 1e-5);
  EXPECT_NEAR(radius(4, 4, Discretizer::kZoh), 0.44789, 1e-5);
  EXPECT_NEAR(radius(4, 8, Discretizer::kEuler), 0.845, 1e-3);
  EXPECT_NEAR(radius(4, 4, Discretizer::kEuler), 1.209, 1e-3);
  EXPECT_NEAR(radius(64, 384, Discretizer::kEuler), 1.020, 1e-3);
}

TEST(StateSpace, impulse_response_is_the_powers) {
  const StateSpace system = discretise(delay_system(12), 1.0 / 40, Discretizer::kZoh);
  const at::Tensor g = impulse_response(system, 37);
  at::Tensor power = system.B;
  for (int64_t j = 0; j < 37; ++j) {
    EXPECT_LT(largest(g[j] - power), 1e-13) << j;
    power = at::mv(system.A, power);
  }
}

TEST(StateSpace, derivative_by_the_window_is_exact) {
  for (const Discretizer kind : {Discretizer::kZoh, Discretizer::kEuler}) {
    const StateSpace continuous = delay_system(8);
    const double tau = 1.0 / 30, step = 1e-6;
    const StateSpace at_tau = discretise(continuous, tau, kind),
                     above = discretise(continuous, tau + step, kind),
                     below = discretise(continuous, tau - step, kind);
    const StateSpace slope = discretise_derivative(continuous, at_tau, kind);
    EXPECT_LT(largest((above.A - below.A) / (2 * step) - slope.A), 1e-6);
    EXPECT_LT(largest((above.B - below.B) / (2 * step) - slope.B), 1e-6);
  }
}

TEST(DelayMemory, a_constant_becomes_the_first_coefficient) {
  DelayMemory memory(10, 40, Discretizer::kZoh, {});
  const at::Tensor u = torch::ones({1, 400, 1}, at::kDouble);
  const at::Tensor m = memory_states(u, {}, memory.kernels(400, u.options()), Mode::kRecurrent);
  at::Tensor expected = torch::zeros({10}, at::kDouble);
  expected[0] = 1;
  EXPECT_LT(largest(m[0][399][0] - expected), 1e-9);
}

TEST(DelayMemory, the_window_is_read_back_half_a_sample_late) {
  const int64_t order = 12, theta = 60, length = 300;
  DelayMemory memory(order, theta, Discretizer::kZoh, {});
  const at::Tensor t = torch::arange(length, at::kDouble);
  // At most two cycles a window.
  const at::Tensor u = (at::sin(2 * M_PI * t / theta) + 0.8 * at::sin(4 * M_PI * t / theta + 1))
                           .view({1, length, 1});
  const at::Tensor m =
      memory_states(u, {}, memory.kernels(length, u.options()), Mode::kFft).view({length, order});
  double worst_old = 0, worst_now = 0;
  for (const double fraction : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    const at::Tensor row = legendre_decoder(torch::tensor({fraction}, at::kDouble), order);
    const at::Tensor decoded = at::matmul(m, row.t()).squeeze(1);
    const auto lag = static_cast<int64_t>(fraction * theta);
    for (int64_t i = 150; i < length - 1; ++i) {
      const double mean =
          (u[0][i - lag][0].item<double>() + u[0][i - lag + 1][0].item<double>()) / 2;
      const double error = std::abs(decoded[i].item<double>() - mean);
      (fraction == 0 ? worst_now : worst_old) =
          std::max(fraction == 0 ? worst_now : worst_old, error);
    }
  }
  // Twice what an independent implementation showed for another phase.
  EXPECT_LT(worst_old, 2 * 0.0042);
  EXPECT_LT(worst_now, 2 * 0.039);
}

// ---- Modes --------------------------------------------------------------------------------------

Json parallel(Json more = Json::object()) {
  return with({{"variant", "parallel"},
               {"input_dim", 3},
               {"hidden_dim", 6},
               {"memory_dim", 2},
               {"order", 7},
               {"theta", 30.5},
               {"return_sequences", true}},
              more);
}

TEST(LmuModes, are_one_function_with_one_gradient) {
  // 150 steps: two whole chunks and a rest. With one memory the output map folds into the kernel.
  for (const at::ScalarType dtype : {at::kDouble, at::kFloat}) {
    for (const int64_t memories : {1, 2}) {
      const double bound = dtype == at::kDouble ? 1e-10 : 2e-5;
      std::vector<at::Tensor> first;
      for (const char* mode : {"recurrent", "fft", "convolution", "chunked", "auto"}) {
        const auto model = model_of(parallel({{"mode", mode}, {"memory_dim", memories}}), dtype);
        const at::Tensor x = draw({4, 150, 3}, dtype).requires_grad_();
        const at::Tensor h = model->run({{"x", x}}).at("h");
        std::vector<at::Tensor> inputs = model->parameters();
        inputs.push_back(x);
        auto now = torch::autograd::grad({(h * draw(h.sizes(), dtype, 9)).sum()}, inputs);
        now.push_back(h.detach());
        if (first.empty()) first = now;
        for (size_t i = 0; i < now.size(); ++i) {
          const double factor = i + 1 == now.size() ? 1 : 10;
          EXPECT_LT(largest(now[i] - first[i]), factor * bound * (1 + largest(first[i])))
              << mode << ", " << memories << " memories, result " << i;
        }
      }
    }
  }
}

TEST(LmuModes, the_final_state_is_the_last_of_all) {
  const at::Tensor x = draw({3, 90, 3});
  const at::Tensor all = model_of(parallel({{"mode", "recurrent"}}))->run({{"x", x}}).at("h");
  for (const char* mode : {"final_state", "auto", "fft"}) {
    const auto model = model_of(parallel({{"mode", mode}, {"return_sequences", false}}));
    EXPECT_LT(largest(model->run({{"x", x}}).at("output") - all.select(1, 89)), 1e-11) << mode;
  }
}

TEST(LmuModes, a_longer_sequence_extends_the_kernels) {
  const auto model = model_of(parallel({{"mode", "fft"}, {"max_len", 20}}));
  const at::Tensor x = draw({2, 100, 3});
  model->run({{"x", x.narrow(1, 0, 20)}});
  const at::Tensor long_one = model->run({{"x", x}}).at("h");
  const at::Tensor other = model_of(parallel({{"mode", "recurrent"}}))->run({{"x", x}}).at("h");
  EXPECT_LT(largest(long_one - other), 1e-10);
}

TEST(LmuModes, the_future_does_not_reach_the_past) {
  for (const char* mode : {"recurrent", "fft", "chunked"}) {
    const auto model = model_of(parallel({{"mode", mode}}));
    const at::Tensor x = draw({2, 70, 3});
    at::Tensor changed = x.clone();
    changed.narrow(1, 40, 30).add_(1);
    const at::Tensor a = model->run({{"x", x}}).at("h").narrow(1, 0, 40),
                     b = model->run({{"x", changed}}).at("h").narrow(1, 0, 40);
    if (std::string_view(mode) == "recurrent") {
      EXPECT_TRUE(a.equal(b));
    } else {
      EXPECT_LT(largest(a - b), 1e-12) << mode;
    }
  }
}

TEST(LmuModes, streams_continue_whole_sequences) {
  const std::vector<Json> variants = {parallel({{"mode", "fft"}}),
                                      // One memory: the output map folds into the kernel.
                                      parallel({{"mode", "fft"}, {"memory_dim", 1}}),
                                      parallel({{"memory_dim", 1}, {"input_to_hidden", false}}),
                                      parallel({{"mode", "chunked"}}),
                                      parallel({{"mode", "recurrent"}, {"num_layers", 2}}),
                                      {{"variant", "original"},
                                       {"input_dim", 3},
                                       {"hidden_dim", 6},
                                       {"order", 5},
                                       {"theta", 20},
                                       {"return_sequences", true}},
                                      {{"variant", "general"},
                                       {"input_dim", 3},
                                       {"hidden_dim", 6},
                                       {"order", 5},
                                       {"theta", 20},
                                       {"memory_dim", 2},
                                       {"hidden_cell", "gru"},
                                       {"hidden_to_memory", true},
                                       {"memory_to_memory", true},
                                       {"return_sequences", true}},
                                      {{"variant", "general"},
                                       {"input_dim", 3},
                                       {"hidden_dim", 6},
                                       {"order", 5},
                                       {"theta", 20},
                                       {"hidden_cell", "lstm"},
                                       {"return_sequences", true}}};
  for (const Json& values : variants) {
    const auto model = model_of(values);
    const at::Tensor x = draw({2, 50, 3});
    const at::Tensor whole = model->forward(x).hidden;
    LmuModel::States states;
    std::vector<at::Tensor> parts;
    int64_t begin = 0;
    for (const int64_t length : {1, 17, 1, 31}) {
      const LmuModel::Result part = model->forward(x.narrow(1, begin, length), states);
      parts.push_back(part.hidden);
      states = part.states;
      begin += length;
    }
    EXPECT_LT(largest(at::cat(parts, 1) - whole), 1e-11) << values.dump();
  }
}

TEST(DelayMemory, is_linear_and_does_not_know_the_time) {
  DelayMemory memory(9, 25, Discretizer::kZoh, {});
  const at::Tensor u = draw({1, 60, 1}), v = draw({1, 60, 1}, at::kDouble, 8);
  const Kernels& kernels = memory.kernels(80, u.options());
  const auto states = [&](const at::Tensor& signal) {
    return memory_states(signal, {}, kernels, Mode::kFft);
  };
  EXPECT_LT(largest(states(2 * u - 3 * v) - (2 * states(u) - 3 * states(v))), 1e-12);
  const at::Tensor late = at::constant_pad_nd(u, {0, 0, 20, 0});
  EXPECT_LT(largest(states(late).narrow(1, 20, 60) - states(u)), 1e-12);
}

TEST(DelayMemory, systems_side_by_side_are_systems_alone) {
  DelayMemory memory(6, 25, Discretizer::kZoh, {});
  const at::Tensor u = draw({2, 40, 3});
  const Kernels& kernels = memory.kernels(40, u.options());
  const at::Tensor together = memory_states(u, {}, kernels, Mode::kChunked);
  for (int64_t d = 0; d < 3; ++d) {
    const at::Tensor alone = memory_states(u.narrow(2, d, 1), {}, kernels, Mode::kRecurrent);
    EXPECT_LT(largest(together.narrow(2, d, 1) - alone), 1e-12);
  }
}

TEST(DelayMemory, a_truncated_response_errs_by_its_bound) {
  const double epsilon = 1e-3;
  DelayMemory exact(6, 20, Discretizer::kZoh, {}), cut(6, 20, Discretizer::kZoh, epsilon);
  const at::Tensor u = draw({1, 200, 1}).clamp(-1, 1);
  const Kernels& short_one = cut.kernels(200, u.options());
  const Kernels& whole = exact.kernels(200, u.options());
  EXPECT_LT(short_one.impulse.size(0), 200);
  const at::Tensor error = memory_states(u, {}, short_one, Mode::kConvolution) -
                           memory_states(u, {}, whole, Mode::kConvolution);
  const at::Tensor scale = whole.impulse.abs().sum(0);
  EXPECT_LT((error.abs().amax({0, 1, 2}) / scale).max().item<double>(), 1.2 * epsilon);
}

TEST(TrainableTheta, gradient_is_the_difference_quotient_in_every_mode) {
  for (const char* discretizer : {"zoh", "euler"}) {
    for (const char* mode : {"recurrent", "fft"}) {
      const auto model = model_of({{"variant", "general"},
                                   {"order", 5},
                                   {"theta", 24.0},
                                   {"hidden_cell", "none"},
                                   {"hidden_dim", 0},
                                   {"trainable_theta", true},
                                   {"mode", mode},
                                   {"discretizer", discretizer},
                                   {"return_sequences", true}});
      const at::Tensor x = draw({2, 30, 1});
      const auto value = [&] { return model->run({{"x", x}}).at("output").square().sum(); };
      at::Tensor theta_inv = model->named_parameters()["layers.0.theta_inv"];
      const double slope = torch::autograd::grad({value()}, {theta_inv})[0].item<double>();
      const at::NoGradGuard no_grad;
      const double step = 1e-6, start = theta_inv.item<double>();
      theta_inv.fill_(start + step);
      const double above = value().item<double>();
      theta_inv.fill_(start - step);
      const double below = value().item<double>();
      EXPECT_NEAR(slope, (above - below) / (2 * step), 1e-5 * std::abs(slope))
          << discretizer << " " << mode;
      theta_inv.fill_(-0.1);
      model->constrain();
      EXPECT_EQ(theta_inv.item<double>(), 0);
    }
  }
}

// ---- Parameters ---------------------------------------------------------------------------------

TEST(LmuModel, parameter_counts_are_the_published) {
  EXPECT_EQ(parameter_count(*make_model(config_of(
                {{"hidden_dim", 346}, {"order", 468}, {"theta", 784}, {"num_classes", 10}}))),
            166092);
  EXPECT_EQ(parameter_count(*make_model(config_of({{"variant", "original"},
                                                   {"hidden_dim", 212},
                                                   {"order", 256},
                                                   {"theta", 784},
                                                   {"num_classes", 10}}))),
            102027);
  EXPECT_EQ(parameter_count(*make_model(config_of({{"encoder_activation", "linear"},
                                                   {"hidden_dim", 140},
                                                   {"order", 40},
                                                   {"theta", 50},
                                                   {"dense_dim", 80},
                                                   {"output_dim", 1}}))),
            17243);
  EXPECT_EQ(parameter_count(*make_model(config_of({{"variant", "general"},
                                                   {"hidden_cell", "none"},
                                                   {"hidden_dim", 0},
                                                   {"memory_dim", 300},
                                                   {"order", 1},
                                                   {"theta", 400},
                                                   {"input_dim", 300},
                                                   {"input_kernel", false},
                                                   {"num_classes", 1}}))),
            301);
}

TEST(LmuModel, weights_go_to_the_authors_names_and_back) {
  const std::vector<Json> configs = {
      parallel(),
      parallel({{"num_classes", 4}}),
      {{"variant", "original"},
       {"hidden_dim", 5},
       {"order", 3},
       {"num_layers", 2},
       {"layout", "keras2019"},
       {"hidden_bias", true},
       {"output_dim", 1}},
      {{"variant", "original_gating"}, {"hidden_dim", 5}, {"order", 3}, {"layout", "keras2019"}},
      {{"variant", "general"}, {"hidden_dim", 5}, {"order", 3}, {"num_classes", 2}}};
  for (const Json& values : configs) {
    const LmuConfig config = config_of(values);
    const auto model = make_model(config);
    const TensorMap ours = weights_of(*model);
    const TensorMap back = from_authors(to_authors(ours, config), config);
    ASSERT_EQ(back.names(), ours.names()) << values.dump();
    for (const auto& [name, tensor] : ours) {
      EXPECT_LT(largest(back.at(name) - tensor), 1e-6) << name;
    }
  }
}

TEST(LmuModel, a_keras_file_has_the_names_of_2019) {
  const LmuConfig config = config_of({{"variant", "original"},
                                      {"layout", "keras2019"},
                                      {"hidden_dim", 5},
                                      {"order", 3},
                                      {"num_layers", 2}});
  const TensorMap theirs = to_authors(weights_of(*make_model(config)), config);
  EXPECT_EQ(theirs.at("rnn_2/input_kernel").sizes(), at::IntArrayRef({5, 5}));
  EXPECT_EQ(theirs.at("rnn_1/hidden_encoders").sizes(), at::IntArrayRef({5, 1}));
  EXPECT_TRUE(theirs.contains("rnn_1/AT"));
}

TEST(LmuModel, a_cell_without_its_system_gets_it_in_double) {
  for (const Json& more : {Json::object(), Json{{"layout", "keras2019"}, {"num_layers", 2}}}) {
    const LmuConfig config =
        config_of(with({{"variant", "original"}, {"hidden_dim", 5}, {"order", 3}}, more));
    TensorMap theirs = to_authors(weights_of(*make_model(config)), config);
    for (const std::string& name : theirs.names()) {
      const std::string last = name.substr(name.find_last_of("./") + 1);
      if (last == "A" || last == "B" || last == "AT" || last == "BT") theirs.erase(name);
    }
    const TensorMap ours = from_authors(theirs, config);
    const StateSpace system = discretise(delay_system(3), 1 / config.theta, Discretizer::kZoh);
    for (int64_t l = 0; l < config.num_layers; ++l) {
      const std::string cell = "layers." + std::to_string(l) + ".cell.";
      EXPECT_TRUE(ours.at(cell + "A").equal(system.A));
      EXPECT_TRUE(ours.at(cell + "B").equal(system.B.view({3, 1})));
    }
  }
}

TEST(LmuModel, a_learned_system_is_not_made_up) {
  const LmuConfig config =
      config_of({{"variant", "original"}, {"hidden_dim", 5}, {"order", 3}, {"learn_a", true}});
  TensorMap theirs = to_authors(weights_of(*make_model(config)), config);
  theirs.erase("cell.A");
  EXPECT_FALSE(from_authors(theirs, config).contains("layers.0.cell.A"));
}

TEST(LmuModel, without_a_hidden_cell_it_answers_with_the_memory) {
  const Json values = {{"hidden_cell", "none"}, {"hidden_dim", 0}, {"input_dim", 3},
                       {"memory_dim", 2},       {"order", 4},      {"return_sequences", true}};
  const TensorMap outputs = model_of(values)->run({{"x", draw({2, 6, 3})}});
  EXPECT_EQ(outputs.at("output").sizes(), (at::IntArrayRef{2, 6, 8}));
  EXPECT_TRUE(outputs.at("output").select(1, 5).equal(outputs.at("m_n")));
}

TEST(LegendreDecode, a_column_is_one_signal) {
  const auto all = procedures();
  const auto decode = std::ranges::find(all, "legendre_decode", &Procedure::name);
  const Json config = {{"order", 5}, {"theta", 12}};
  const at::Tensor u = draw({9});
  const TensorMap flat = decode->run(config, {{"u", u}});
  const TensorMap column = decode->run(config, {{"u", u.view({9, 1})}});
  EXPECT_EQ(flat.at("m").sizes(), (at::IntArrayRef{9, 5}));
  for (const char* name : {"m", "decoded"}) EXPECT_TRUE(column.at(name).equal(flat.at(name)));
}

TEST(MackeyGlass, the_target_is_the_series_later) {
  MackeyGlassConfig config;
  config.num_samples = 2;
  config.length = 60;
  const MackeyGlass ahead = mackey_glass(config);
  EXPECT_TRUE(ahead.x.narrow(1, 15, 45).equal(ahead.y.narrow(1, 0, 45)));
  config.predict_len = -15;
  const MackeyGlass back = mackey_glass(config);
  EXPECT_TRUE(back.x.equal(ahead.y) && back.y.equal(ahead.x));
}

// ---- Errors -------------------------------------------------------------------------------------

void expect_refused(const std::string& id, const Json& values) {
  try {
    config_of(values);
    ADD_FAILURE() << values.dump() << " was accepted";
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find(id), std::string::npos) << error.what();
  }
}

TEST(LmuErrors, configurations_that_do_not_fit) {
  expect_refused("T-CFG", {{"variant", "paralel"}});
  expect_refused("T-CFG", {{"theta", 0}});
  expect_refused("T-LMU-02", {{"dropout", 1.0}});
  expect_refused("T-LMU-03", {{"num_classes", 2}, {"output_dim", 2}});
  expect_refused("T-LMU-04", {{"variant", "original"}, {"memory_dim", 2}});
  expect_refused("T-LMU-05", {{"hidden_dim", 0}});
  expect_refused("T-LMU-05", {{"variant", "original"}, {"hidden_dim", 0}, {"hidden_cell", "none"}});
  expect_refused("T-LMU-06",
                 {{"variant", "general"}, {"hidden_cell", "none"}, {"hidden_to_memory", true}});
  expect_refused("T-LMU-07", {{"variant", "general"}, {"input_kernel", false}, {"input_dim", 3}});
  expect_refused("T-LMU-08", {{"variant", "original"}, {"mode", "fft"}});
  expect_refused("T-LMU-08",
                 {{"variant", "general"}, {"memory_to_memory", true}, {"mode", "chunked"}});
  expect_refused("T-LMU-09", {{"mode", "final_state"}, {"return_sequences", true}});
  expect_refused("T-LMU-10", {{"truncate_ir", 0.1}, {"mode", "fft"}});
}

TEST(LmuErrors, inputs_that_do_not_fit) {
  const auto refused = [](const Json& values, const at::Tensor& x, const std::string& id) {
    try {
      model_of(values)->run({{"x", x}});
      ADD_FAILURE() << id;
    } catch (const InvalidArgument& error) {
      EXPECT_NE(std::string(error.what()).find(id), std::string::npos) << error.what();
    }
  };
  refused(parallel(), torch::zeros({2, 5}, at::kDouble), "T-LMU-13");
  refused(parallel(), torch::zeros({2, 5, 3}, at::kLong), "T-LMU-13");
  refused(parallel(), torch::zeros({0, 5, 3}, at::kDouble), "T-LMU-14");
  refused(parallel(), torch::zeros({2, 0, 3}, at::kDouble), "T-LMU-14");
  refused(parallel(), torch::zeros({2, 5, 4}, at::kDouble), "T-LMU-15");
  const Json tokens = {{"vocab_size", 9}, {"embed_dim", 4}, {"hidden_dim", 3}};
  refused(tokens, torch::zeros({2, 5, 3}, at::kDouble), "T-LMU-11");
  refused(tokens, torch::full({2, 5}, 9, at::kLong), "T-LMU-12");
}

TEST(LmuModel, not_a_number_goes_through) {
  const at::Tensor x = torch::full({1, 4, 3}, NAN, at::kDouble);
  EXPECT_TRUE(model_of(parallel())->run({{"x", x}}).at("h").isnan().all().item<bool>() ||
              model_of(parallel())->run({{"x", x}}).at("m_n").isnan().any().item<bool>());
}

// ---- Baselines
// -----------------------------------------------------------------------------------

TEST(LmuBaselines, answer_as_the_model_that_they_stand_for) {
  const TensorMap inputs = {{"x", draw({2, 6, 1}, at::kFloat)}};
  const Json shape = {{"architecture", "lstm"}, {"input_dim", 1}, {"hidden_dim", 25}};
  // Of Mackey-Glass' stack of four: 18,426 parameters.
  const auto series = make_model(
      config_of(with(shape, {{"num_layers", 4}, {"output_dim", 1}, {"return_sequences", true}})));
  EXPECT_EQ(parameter_count(*series), 18426);
  EXPECT_EQ(series->run(inputs).at("prediction").sizes(), (at::IntArrayRef{2, 6, 1}));
  const auto classes = make_model(config_of(with(shape, {{"num_classes", 3}})));
  EXPECT_EQ(classes->run(inputs).at("logits").sizes(), (at::IntArrayRef{2, 3}));
}

}  // namespace
}  // namespace tessera::lmu
