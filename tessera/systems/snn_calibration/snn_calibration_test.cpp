#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "tessera/core/error.h"
#include "tessera/nn/convnet/fold.h"
#include "tessera/nn/convnet/init.h"
#include "tessera/nn/convnet/networks.h"
#include "tessera/nn/convnet/presets.h"
#include "tessera/systems/snn_calibration/layer_by_layer.h"
#include "tessera/systems/snn_calibration/model.h"
#include "tessera/systems/snn_calibration/procedures.h"
#include "tessera/systems/snn_calibration/tasks.h"

// The mathematics of conversion and calibration, and every message of this folder.

namespace tessera::snn_calibration {
namespace {

at::Tensor images(int64_t count, int64_t channels = 3, int64_t side = 12, uint64_t seed = 1) {
  auto generator = at::detail::createCPUGenerator(seed);
  return at::randn({count, channels, side, side}, generator, at::kDouble);
}

nn::WeightedNetwork drawn(const nn::Network& network, uint64_t seed = 2) {
  auto generator = at::detail::createCPUGenerator(seed);
  TensorMap weights;
  for (const auto& [name, tensor] :
       nn::draw_weights(network, nn::Initialisation::kFanOut, generator)) {
    at::Tensor value = tensor.to(at::kDouble);
    // Batch norm that does something.
    if (name.ends_with("running_mean")) value = at::randn(value.sizes(), generator, at::kDouble);
    if (name.ends_with("running_var")) {
      value = at::rand(value.sizes(), generator, at::kDouble) + 0.5;
    }
    weights.set(name, value);
  }
  return {network, weights};
}

SnnConfig small(const char* arch, const Json& more = {}) {
  Json values = {{"arch", arch},
                 {"image_size", 12},
                 {"num_classes", 5},
                 {"stem_width", 6},
                 {"stage_widths", {6, 8}},
                 {"stage_blocks", {1, 1}},
                 {"conv_plan", {4, "M", 6}},
                 {"dw_plan", {{6, 1}, {8, 2}}},
                 {"fc_hidden", 9},
                 {"time_steps", 6}};
  if (std::string_view(arch) == "resnet_deep_stem") values["stem_width"] = {4, 6};
  for (const auto& [key, value] : more.items()) values[key] = value;
  return SnnConfig::of(values);
}

const std::vector<const char*> kArchitectures = {"vgg", "resnet", "resnet_deep_stem", "vgg_fc",
                                                 "mobilenet_v1"};

/// Converted, with thresholds.
SpikingNetwork ready(const SnnConfig& config) {
  SpikingNetwork it = convert(drawn(network(config)), conversion_of(config));
  const std::vector<at::Tensor> batches{images(4), images(4, 3, 12, 9)};
  search_thresholds(it, batches, threshold_rule_of(config));
  return it;
}

std::string id_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.id();
  }
  return "none";
}

TEST(SnnNetworks, have_the_published_numbers_of_parameters) {
  const auto parameters = [](const SnnConfig& config) {
    int64_t count = 0;
    for (const nn::WeightSpec& spec : nn::weight_specs(network(config))) {
      if (!spec.is_buffer) count += c10::multiply_integers(spec.shape);
    }
    return count;
  };
  EXPECT_EQ(parameters(SnnConfig::of(Json::object())), 14728266);
  EXPECT_EQ(parameters(SnnConfig::of({{"arch", "resnet"}})), 4327754);
  EXPECT_EQ(parameters(SnnConfig::of({{"arch", "resnet_deep_stem"}})), 21816904);
  EXPECT_EQ(parameters(SnnConfig::of({{"arch", "mobilenet_v1"}})), 4231976);
}

TEST(SnnNetworks, folding_batch_norm_changes_no_output) {
  // Invariant 1.
  for (const char* arch : kArchitectures) {
    for (const bool use_batch_norm : {true, false}) {
      const nn::WeightedNetwork source =
          drawn(network(small(arch, {{"use_batch_norm", use_batch_norm}})));
      const at::Tensor x = images(3);
      const at::Tensor before = nn::evaluate(source.network, source.weights, x);
      EXPECT_TRUE(at::allclose(ann_logits(convert(source, {}), x), before, 1e-10, 1e-12)) << arch;
    }
  }
}

TEST(SnnNetworks, tensors_tell_what_a_case_leaves_out) {
  const TensorMap inputs = {{"x", at::zeros({2, 3, 24, 24})}};
  const TensorMap weights = {{"model.0.0.weight", at::zeros({8, 3, 3, 3})}};
  const SnnConfig config;
  EXPECT_EQ(config.told(Json::object(), inputs, weights),
            (Json{{"image_size", 24}, {"stem_width", 8}}));
  EXPECT_EQ(config.told({{"image_size", 16}, {"stem_width", 4}}, inputs, weights), Json::object());
  EXPECT_EQ(config.told(Json::object(), {{"x", at::zeros({2, 3, 24, 12})}}, {}),
            (Json{{"image_size", {24, 12}}}));
  const auto narrow = network(SnnConfig::of({{"arch", "mobilenet_v1"}, {"stem_width", 8}}));
  EXPECT_EQ(narrow.layers.front().out_channels, 8);
}

TEST(SnnNetworks, images_have_two_sides) {
  const SnnConfig config = small("vgg", {{"image_size", {12, 9}}});
  EXPECT_EQ(nn::infer_shapes(network(config)).back().in.channels, 6 * 6 * 4);
  const SpikingNetwork it = convert(drawn(network(config)), {});
  EXPECT_EQ(ann_logits(it, images(2).narrow(3, 0, 9)).sizes(), (at::IntArrayRef{2, 5}));
  for (const Json& size : {Json(0), Json{12}, Json{12, 0}, Json("12")}) {
    EXPECT_EQ(id_of([&] { small("vgg", {{"image_size", size}}); }), "T-SNN-18") << size;
  }
}

TEST(SnnNetworks, convolutions_without_batch_norm_have_the_biases_of_the_authors) {
  // The small stem's network has none; the deep stem's has them all.
  for (const auto& [arch, has_bias] : {std::pair{"resnet", false}, {"resnet_deep_stem", true}}) {
    for (const nn::Layer& layer : network(small(arch, {{"use_batch_norm", false}})).layers) {
      if (layer.kind != nn::LayerKind::kConv) continue;
      EXPECT_EQ(layer.has_bias, has_bias) << layer.name;
    }
  }
}

TEST(SnnNetworks, in_double_sums_have_the_order_of_plain_torch) {
  // Bit for bit: at a maximum threshold the last bit decides whether a neuron fires.
  const nn::Network vgg = network(small("vgg", {{"use_batch_norm", false}}));
  const nn::WeightedNetwork source = drawn(nn::without_dropout(vgg));
  const at::Tensor x = images(3);
  EXPECT_TRUE(at::equal(ann_logits(convert(source, {}), x),
                        nn::evaluate(source.network, source.weights, x)));
  EXPECT_TRUE(convert(source, {}).ann.at("features.0.weight").is_contiguous());
}

TEST(SnnNetworks, layer_major_simulation_equals_the_step_loop) {
  // Invariant 11.
  for (const char* arch : kArchitectures) {
    for (const bool channel_wise : {false, true}) {
      const SpikingNetwork it = ready(small(arch, {{"channel_wise", channel_wise}}));
      const at::Tensor x = images(3, 3, 12, 4);
      TensorMap sums;
      const at::Tensor expected = simulate_step_by_step(it, x, &sums);
      const SpikingRun run = simulate(it, x, {.traces = true});
      EXPECT_TRUE(at::allclose(run.logits, expected, 1e-9, 1e-10)) << arch;
      EXPECT_TRUE(at::allclose(simulate(it, x).logits, expected, 1e-9, 1e-10)) << arch;
      for (const Neuron& neuron : it.neurons) {
        EXPECT_TRUE(at::allclose(run.spikes.at(neuron.name).sum(0), sums.at(neuron.name), 1e-12))
            << neuron.name;
      }
    }
  }
}

TEST(SnnNetworks, spikes_in_bytes_are_those_of_the_step_loop_in_float_too) {
  // Sparse and dense convolutions, pools of bytes, shortcuts of both kinds, linear layers.
  for (const char* arch : kArchitectures) {
    for (const bool channel_wise : {false, true}) {
      if (channel_wise && std::string_view(arch) != "resnet") continue;
      SnnConfig config = small(arch, {{"channel_wise", channel_wise},
                                      {"conv_plan", {16, "M", 32, 16}},
                                      {"stage_widths", {16, 32}}});
      if (std::string_view(arch).starts_with("resnet_deep")) config.stem_width = {16, 16};
      nn::WeightedNetwork source = drawn(network(config));
      const auto simulated = [&](at::ScalarType dtype, auto function) {
        nn::WeightedNetwork cast{source.network, {}};
        for (const auto& [name, tensor] : source.weights) {
          cast.weights.set(name, tensor.to(dtype));
        }
        SpikingNetwork it = convert(cast, conversion_of(config));
        const std::vector<at::Tensor> batches{images(4).to(dtype)};
        search_thresholds(it, batches, threshold_rule_of(config));
        return function(it, images(2, 3, 12, 4).to(dtype));
      };
      const auto layers = [](const SpikingNetwork& it, const at::Tensor& x) {
        return simulate(it, x).logits;
      };
      const auto steps = [](const SpikingNetwork& it, const at::Tensor& x) {
        return simulate_step_by_step(it, x);
      };
      EXPECT_TRUE(
          at::allclose(simulated(at::kFloat, layers), simulated(at::kFloat, steps), 1e-4, 1e-4))
          << arch << channel_wise;
      EXPECT_TRUE(
          at::allclose(simulated(at::kDouble, layers), simulated(at::kDouble, steps), 1e-12, 1e-12))
          << arch << channel_wise;
    }
  }
}

TEST(SnnNetworks, samples_do_not_see_each_other) {
  // Invariant 6.
  const SpikingNetwork it = ready(small("resnet"));
  const at::Tensor x = images(4, 3, 12, 5);
  const at::Tensor together = simulate(it, x).logits;
  for (int64_t i = 0; i < x.size(0); ++i) {
    EXPECT_TRUE(at::allclose(simulate(it, x.narrow(0, i, 1)).logits, together.narrow(0, i, 1), 1e-9,
                             1e-10));
  }
}

TEST(SnnNetworks, many_steps_run_in_parts_of_the_batch) {
  // Currents of 6x12x12 doubles: 2,000 steps of at most four samples fill 64 MiB.
  const SpikingNetwork it = ready(small("resnet", {{"time_steps", 2000}}));
  const at::Tensor x = images(6);
  const at::Tensor at_once = simulate(it, x, {.step_logits = true}).logits;
  EXPECT_TRUE(at::allclose(simulate(it, x).logits, at_once, 1e-10, 1e-8));
}

TEST(SnnNetworks, more_steps_come_nearer_to_the_source_network) {
  const nn::WeightedNetwork source = drawn(network(small("vgg")));
  const at::Tensor x = images(4);
  double last = std::numeric_limits<double>::infinity();
  for (const int64_t steps : {8, 64, 512}) {
    SpikingNetwork it = convert(source, {.time_steps = steps});
    search_thresholds(it, std::span<const at::Tensor>(&x, 1),
                      {.kind = ThresholdRule::Kind::kMax, .batches = 1});
    const at::Tensor rate = simulate(it, x).logits / static_cast<double>(steps);
    const at::Tensor exact = ann_logits(it, x);
    const double error = ((rate - exact).norm() / exact.norm()).item<double>();
    EXPECT_LT(error, last / 3);
    last = error;
  }
  EXPECT_LT(last, 0.05);
}

TEST(SnnCalibration, one_sweep_corrects_as_layer_by_layer_does) {
  for (const char* arch : kArchitectures) {
    SpikingNetwork swept = ready(small(arch)), again = swept;
    const auto ours = calibrate_bias(swept, images(4));
    const auto plain = calibrate_bias_layer_by_layer(again, images(4));
    ASSERT_EQ(ours.size(), plain.size());
    for (size_t i = 0; i < ours.size(); ++i) {
      EXPECT_EQ(ours[i].neuron, plain[i].neuron);
      EXPECT_TRUE(at::allclose(ours[i].corrected, plain[i].corrected, 1e-9, 1e-11)) << arch;
      EXPECT_TRUE(at::allclose(ours[i].mse_before, plain[i].mse_before, 1e-9, 1e-12));
    }
  }
}

TEST(SnnCalibration, a_bias_moves_by_the_difference_of_the_means) {
  // Invariant 8.
  SpikingNetwork it = ready(small("resnet"));
  const TensorMap before = it.weights;
  for (const Correction& seen : calibrate_bias(it, images(4))) {
    const at::Tensor moved = seen.corrected - before.at(seen.neuron + ".bias");
    EXPECT_TRUE(at::allclose(moved, seen.ann_mean - seen.snn_mean, 1e-9, 1e-12));
  }
}

TEST(SnnCalibration, leaves_the_source_network_and_earlier_layers_alone) {
  // Invariants 5 and 7.
  SpikingNetwork it = ready(small("resnet"));
  const at::Tensor x = images(4);
  const at::Tensor before = ann_logits(it, x);
  const SpikingRun first = simulate(it, x, {.traces = true});
  SpikingNetwork later = it;
  const std::string& last = it.neurons.back().name;
  later.potentials.set(last, at::full({1, 8, 6, 6}, 0.3, at::kDouble));
  const SpikingRun second = simulate(later, x, {.traces = true});
  for (const Neuron& neuron : it.neurons) {
    EXPECT_EQ(at::equal(first.spikes.at(neuron.name), second.spikes.at(neuron.name)),
              neuron.name != last);
  }
  calibrate_bias(it, x);
  calibrate_potential(it, x);
  EXPECT_TRUE(at::equal(ann_logits(it, x), before));
}

TEST(SnnCalibration, brings_the_means_nearer) {
  const auto gap = [](const std::vector<Correction>& all) {
    double sum = 0;
    for (const Correction& seen : all) {
      sum += (seen.ann_mean - seen.snn_mean).abs().mean().item<double>();
    }
    return sum;
  };
  const at::Tensor x = images(16);
  for (const auto calibrate_once : {calibrate_bias, calibrate_potential}) {
    SpikingNetwork it = ready(small("resnet"));
    const double before = gap(calibrate_once(it, x));
    EXPECT_LT(gap(calibrate_once(it, x)), before);
  }
}

TEST(SnnCalibration, advanced_is_weights_and_then_potentials) {
  const SnnConfig config = small(
      "vgg",
      {{"calib", "advanced"},
       {"weight_calib", {{"lr", 1e-3}, {"iters", 3}, {"batch_size", 4}, {"num_samples", 8}}}});
  SpikingNetwork it = ready(config);
  const std::vector<at::Tensor> batches{images(4), images(4, 3, 12, 8)};
  bool had_potentials = true;
  const CalibrationLog log =
      calibrate(it, batches, config, random_draws(config.weight_calibration(), 0),
                [&] { had_potentials = !it.potentials.empty(); });
  EXPECT_FALSE(had_potentials);
  EXPECT_EQ(log.weights.size(), 2u);
  EXPECT_EQ(log.potentials.size(), 2u);
  EXPECT_TRUE(log.biases.empty());
}

TEST(SnnCalibration, weights_fit_better_and_biases_stay) {
  SpikingNetwork it = ready(small("resnet"));
  const TensorMap before = it.weights;
  const auto fits = calibrate_weights(it, images(8), {.lr = 1e-3, .iters = 40, .batch_size = 8},
                                      [](const std::string&) {
                                        return at::arange(8, at::kLong).expand({40, 8});
                                      });
  ASSERT_EQ(fits.size(), it.neurons.size());
  for (const WeightFit& fit : fits) {
    EXPECT_LT(fit.losses[39].item<double>(), fit.losses[0].item<double>()) << fit.neuron;
    EXPECT_TRUE(at::equal(it.weights.at(fit.neuron + ".bias"), before.at(fit.neuron + ".bias")));
  }
}

TEST(SnnCalibration, a_folded_network_spikes) {
  // Composition: folding is network → network, conversion another.
  const nn::Network original = nn::vgg({.input = {.channels = 3, .height = 12, .width = 12},
                                        .num_classes = 5,
                                        .plan = {4, nn::kPool, 6}});
  const nn::WeightedNetwork folded = drawn(nn::fold(original, {.fold = 2}));
  SpikingNetwork it = convert(folded, {.time_steps = 64});
  const at::Tensor x = images(8, 6);
  search_thresholds(it, std::span<const at::Tensor>(&x, 1), {.batches = 1});
  const auto error = [&] {
    const at::Tensor exact = ann_logits(it, x);
    return ((simulate(it, x).logits / 64 - exact).norm() / exact.norm()).item<double>();
  };
  const double before = error();
  calibrate_potential(it, x);
  EXPECT_LT(error(), before);
  EXPECT_LT(error(), 0.1);
  EXPECT_EQ(simulate(it, x).logits.sizes(), at::IntArrayRef({8, 10}));
}

TEST(SnnEnergy, counts_what_is_sent) {
  const SpikingNetwork it = ready(small("vgg"));
  const SpikingRun run = simulate(it, images(3), {.firing_rates = true});
  const Energy spent = energy(it, run, 4.6, 0.9);
  const double first = 3 * 9 * 4 * 144, second = 4 * 9 * 6 * 36, head = 6 * 36 * 5;
  EXPECT_EQ(spent.ann_macs, first + second + head);
  EXPECT_EQ(spent.first_macs, first);
  const double sent = 6 * (run.input_rates.at("features.4").item<double>() * second +
                           run.input_rates.at("classifier").item<double>() * head);
  EXPECT_DOUBLE_EQ(spent.spike_ops, sent);
  EXPECT_DOUBLE_EQ(spent.snn_pj, 4.6 * 6 * first + 0.9 * sent);
  EXPECT_DOUBLE_EQ(spent.ann_pj, 4.6 * spent.ann_macs);
  for (const auto& [name, rate] : run.firing_rates) {
    EXPECT_GE(rate.item<double>(), 0.0);
    EXPECT_LE(rate.item<double>(), 1.0);
  }
}

TEST(SnnThresholds, combine_over_batches) {
  const at::Tensor a = at::scalar_tensor(1.0, at::kDouble), b = at::scalar_tensor(2.0, at::kDouble);
  EXPECT_DOUBLE_EQ(combined(a, b, 0.9).item<double>(), 0.9 * 1 + (1 - 0.9) * 2);
  EXPECT_EQ(combined(b, a, {}).item<double>(), 2.0);
  EXPECT_EQ(combined({}, b, 0.9).item<double>(), 2.0);
  const at::Tensor values = at::arange(11, at::kDouble);
  EXPECT_DOUBLE_EQ(
      threshold_of(values, {.kind = ThresholdRule::Kind::kPercentile, .percentile = 0.25}, 8)
          .item<double>(),
      2.5);
}

TEST(SnnThresholds, a_quantile_of_floats_is_at_a_place_in_floats) {
  // 0.9 · 1000001 in float is 900000.875, in double 900000.9; there the values step from 0 to 1.
  const at::Tensor values = at::arange(1000002).gt(900000).to(at::kFloat);
  const ThresholdRule rule{.kind = ThresholdRule::Kind::kPercentile, .percentile = 0.9};
  EXPECT_EQ(threshold_of(values, rule, 8).item<double>(), 0.875);
  EXPECT_NEAR(threshold_of(values.to(at::kDouble), rule, 8).item<double>(), 0.9, 1e-9);
}

TEST(SnnProcedures, a_convolution_s_window_follows_from_the_potential) {
  const auto run = [](const Json& config, const TensorMap& inputs) {
    for (const Procedure& procedure : procedures()) {
      if (procedure.name == "if_neuron") return procedure.run(config, inputs);
    }
    return TensorMap();
  };
  TensorMap inputs{{"current_input", images(6, 3, 7).view({3, 2, 3, 7, 7})},
                   {"weight/weight", at::rand({5, 3, 3, 3}, at::kDouble)},
                   {"threshold", at::scalar_tensor(1.0, at::kDouble)}};
  const auto side = [&] { return run({{"time_steps", 3}}, inputs).at("spike").size(-1); };
  EXPECT_EQ(side(), 5);
  for (const int64_t expected : {7, 5, 4, 3}) {  // a padding of 1, none; with a stride of 2 as well
    inputs.set("potential_init", at::zeros({1, 5, expected, expected}, at::kDouble));
    EXPECT_EQ(side(), expected);
  }
}

TEST(SnnNames, of_a_converted_network_are_read) {
  const SnnConfig config = small("resnet");
  const nn::WeightedNetwork own = drawn(network(config));
  TensorMap theirs = own.weights.prefixed("model.");
  theirs.set("classifier.weight", own.weights.at("fc.weight"));
  theirs.set("model.bn1.num_batches_tracked", at::scalar_tensor(3, at::kLong));
  const TensorMap read = from_authors(theirs, config);
  EXPECT_EQ(read.names(), own.weights.names());
  const SnnConfig fc = small("vgg_fc");
  TensorMap renamed;
  for (const auto& [name, tensor] : drawn(network(fc)).weights) {
    std::string other = name;
    if (name.starts_with("classifier.0.")) other.replace(0, 13, "classifier.fc1.");
    if (name.starts_with("classifier.3.")) other.replace(0, 13, "classifier.fc2.");
    if (name.starts_with("classifier.6.")) other.replace(0, 13, "classifier.fc3.");
    renamed.set(other, tensor);
  }
  EXPECT_TRUE(from_authors(renamed, fc).contains("classifier.3.weight"));
}

std::unique_ptr<Task> digits(const Json& more = {}) {
  Json values = {{"dataset", "subset"}, {"train_size", 200}, {"test_size", 50}};
  for (const auto& [key, value] : more.items()) values[key] = value;
  const TaskFactory factory = tasks().front();
  const std::unique_ptr<Config> config = factory.config();
  read_config(*config, values);
  return factory.make(*config, {});
}

TEST(SnnTask, pads_repeats_and_normalises) {
  const std::unique_ptr<Task> task = digits();
  EXPECT_EQ(task->size(Split::kTrain), 200);
  EXPECT_EQ(task->size(Split::kTest), 50);
  BatchContext context{Split::kTest, at::detail::createCPUGenerator(0)};
  const std::vector<int64_t> examples{3, 7};
  const at::Tensor x = task->batch(examples, context).at("x");
  ASSERT_EQ(x.sizes(), at::IntArrayRef({2, 3, 32, 32}));
  EXPECT_TRUE(at::equal(x.select(1, 0), x.select(1, 2)));
  EXPECT_FLOAT_EQ(x[0][0][0][0].item<float>(), -0.1307f / 0.3081f);
  EXPECT_EQ(id_of([] { digits({{"image_size", 20}}); }), "T-SNN-50");
  // AutoAugment's colours need three channels.
  EXPECT_EQ(id_of([] { digits({{"auto_augment", true}}); }), "T-SNN-51");
}

TEST(SnnTask, augmentation_comes_from_the_batch_s_generator) {
  const std::unique_ptr<Task> task = digits({{"augment", true}});
  const std::vector<int64_t> examples{0, 1, 2};
  const auto batch = [&](uint64_t seed) {
    BatchContext context{Split::kTrain, at::detail::createCPUGenerator(seed)};
    return task->batch(examples, context).at("x");
  };
  EXPECT_TRUE(at::equal(batch(1), batch(1)));
  EXPECT_FALSE(at::equal(batch(1), batch(2)));
}

TEST(SnnTask, calibration_batches_are_training_images_without_repetition) {
  const std::unique_ptr<Task> task = digits();
  EXPECT_EQ(calibration_batches(*task, 7, 64, 1).size(), 3u);
  const auto batches = calibration_batches(*task, 2, 20, 1);
  EXPECT_TRUE(at::equal(batches[0], calibration_batches(*task, 2, 20, 1)[0]));
  EXPECT_FALSE(at::equal(batches[0], batches[1]));
}

TEST(SnnErrors, configurations_that_contradict_themselves) {
  const auto id = [](const Json& values) { return id_of([&] { SnnConfig::of(values); }); };
  EXPECT_EQ(id({{"arch", "alexnet"}}), "T-CFG-02");
  EXPECT_EQ(id({{"time_steps", 0}}), "T-CFG-02");
  EXPECT_EQ(id({{"conv_plan", {"M"}}}), "T-SNN-01");
  EXPECT_EQ(id({{"conv_plan", {8, "P"}}}), "T-SNN-01");
  EXPECT_EQ(id({{"stem_width", "wide"}}), "T-SNN-02");
  EXPECT_EQ(id({{"dw_plan", {{8, 3}}}}), "T-SNN-03");
  EXPECT_EQ(id({{"arch", "resnet"}, {"stage_blocks", {1, 1}}}), "T-SNN-04");
  EXPECT_EQ(id({{"threshold_mode", "percentile"}}), "T-SNN-05");
  EXPECT_EQ(id({{"threshold_mode", "max"}, {"channel_wise", true}}), "T-SNN-06");
  EXPECT_EQ(id({{"threshold_momentum", 1.0}}), "T-SNN-07");
  EXPECT_EQ(id({{"weight_calib", {{"lr", 0}}}}), "T-SNN-08");
  EXPECT_EQ(id({{"weight_calib", {{"steps", 3}}}}), "T-SNN-08");
  EXPECT_EQ(id({{"weight_calib", {{"batch_size", 3}, {"num_samples", 8}}}}), "T-SNN-09");
  EXPECT_EQ(id({{"image_size", 4}}), "T-NET-03");
}

TEST(SnnErrors, networks_that_cannot_spike) {
  const nn::Network plain = network(small("vgg"));
  const nn::WeightedNetwork source = drawn(plain);
  EXPECT_EQ(id_of([&] { convert(source, {.time_steps = 0}); }), "T-SNN-10");
  const auto changed = [&](const std::function<void(nn::Network&)>& change) {
    return id_of([&] {
      nn::WeightedNetwork other = source;
      change(other.network);
      convert(other, {});
    });
  };
  const auto layer = [](nn::Network& it, const char* name) -> nn::Layer& {
    return it.layers[it.find(name)];
  };
  EXPECT_EQ(changed([&](nn::Network& it) {
              layer(it, "features.2").activation = ops::Activation::kSilu;
            }),
            "T-SNN-11");
  EXPECT_EQ(changed([&](nn::Network& it) {
              it.layers.insert(
                  it.layers.begin() + 4,
                  {.name = "again", .kind = nn::LayerKind::kActivation, .inputs = {"features.3"}});
            }),
            "T-SNN-12");
  EXPECT_EQ(
      changed([&](nn::Network& it) { layer(it, "features.3").kind = nn::LayerKind::kMaxPool; }),
      "T-SNN-15");
  EXPECT_EQ(changed([&](nn::Network& it) {
              nn::remove_layer(it, "features.2"), nn::remove_layer(it, "features.6");
            }),
            "T-SNN-17");
  nn::WeightedNetwork bare = source;
  bare.weights.erase("features.1.running_var");
  EXPECT_EQ(id_of([&] { convert(bare, {}); }), "T-SNN-14");
  EXPECT_EQ(id_of([&] { ready(small("vgg")).neuron("features.1"); }), "T-SNN-13");
}

TEST(SnnErrors, simulations_and_calibrations_that_lack_something) {
  const SnnConfig config = small("vgg");
  SpikingNetwork it = convert(drawn(network(config)), conversion_of(config));
  EXPECT_EQ(id_of([&] { simulate(it, images(1)); }), "T-SNN-20");
  EXPECT_EQ(id_of([&] { search_thresholds(it, {}, {}); }), "T-SNN-30");
  SpikingNetwork nan = ready(config);
  nan.thresholds.set("features.4", at::scalar_tensor(std::nan(""), at::kDouble));
  EXPECT_EQ(id_of([&] { simulate(nan, images(1)); }), "T-SNN-21");
  SpikingNetwork potential = ready(small("resnet"));
  calibrate_potential(potential, images(4));
  EXPECT_EQ(id_of([&] { simulate(potential, images(1, 3, 16)); }), "T-SNN-22");
  EXPECT_EQ(id_of([&] { simulate(ready(config), images(1, 4)); }), "T-SNN-23");
  // A linear layer that would find another width.
  EXPECT_EQ(id_of([&] { simulate(ready(config), images(1, 3, 16)); }), "T-NET-09");
  const std::vector<at::Tensor> batches{images(4), images(4)};
  EXPECT_EQ(id_of([&] { first_images(batches, 9); }), "T-SNN-32");
  EXPECT_EQ(first_images(batches, 6).size(0), 6);
  SpikingNetwork spiking = ready(config);
  EXPECT_EQ(id_of([&] { calibrate_weights(spiking, images(4), {.batch_size = 8}, {}); }),
            "T-SNN-31");
  EXPECT_EQ(id_of([&] {
              calibrate_weights(spiking, images(4), {.iters = 2, .batch_size = 2},
                                [](const std::string&) {
                                  return at::full({2, 2}, 4, at::kLong);
                                });
            }),
            "T-REC-01");
}

}  // namespace
}  // namespace tessera::snn_calibration
