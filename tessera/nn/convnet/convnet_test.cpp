#include "tessera/nn/convnet/convnet.h"

#include <ATen/ATen.h>
#include <ATen/autocast_mode.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/conv.h>

#include "tessera/core/error.h"
#include "tessera/core/rng.h"
#include "tessera/nn/convnet/builder.h"
#include "tessera/nn/convnet/cost.h"
#include "tessera/nn/convnet/init.h"
#include "tessera/nn/convnet/methods.h"
#include "tessera/nn/convnet/names.h"
#include "tessera/nn/convnet/networks.h"
#include "tessera/nn/convnet/presets.h"

namespace tessera::nn {
namespace {

constexpr Shape kImage{.channels = 3, .height = 16, .width = 16};

Network small_resnet(bool is_bottleneck = false) {
  return resnet("small", {.input = kImage,
                          .num_classes = 4,
                          .stem_width = 6,
                          .widths = {6, 8},
                          .blocks = {1, 1},
                          .is_bottleneck = is_bottleneck});
}

/// Weights in double, with statistics of batch norm that are not 0 and 1.
TensorMap random_weights(const Network& network) {
  auto generator = at::detail::createCPUGenerator(3);
  TensorMap weights;
  for (const auto& [name, tensor] : draw_weights(network, Initialisation::kTorch, generator)) {
    at::Tensor values = tensor.to(at::kDouble);
    if (name.find("running") != std::string::npos || tensor.dim() == 1) {
      values = at::rand(tensor.sizes(), generator, at::kDouble) + 0.5;
    }
    weights.set(name, values);
  }
  return weights;
}

at::Tensor random_images(const Network& network, int64_t count = 3) {
  auto generator = at::detail::createCPUGenerator(5);
  return at::randn({count, network.input.channels, network.input.height, network.input.width},
                   generator, at::kDouble);
}

template <class Action>
std::string error_of(Action action) {
  try {
    action();
  } catch (const InvalidArgument& error) {
    return error.id();
  }
  return "none";
}

TEST(ConvNet, a_module_has_the_layers_names_and_equals_the_functional_form) {
  const Network network = small_resnet();
  const TensorMap weights = random_weights(network);
  const auto module = build(network, weights);
  std::vector<std::string> expected, found;
  for (const WeightSpec& spec : weight_specs(network)) expected.push_back(spec.name);
  for (const auto& item : module->named_parameters()) found.push_back(item.key());
  for (const auto& item : module->named_buffers()) found.push_back(item.key());
  std::ranges::sort(expected);
  std::ranges::sort(found);
  EXPECT_EQ(found, expected);
  module->eval();
  const at::Tensor x = random_images(network);
  EXPECT_TRUE(at::equal(module->forward(x), evaluate(network, weights, x)));
}

TEST(ConvNet, a_block_is_what_torchs_modules_compute) {
  const Network network = small_resnet();
  const TensorMap w = random_weights(network);
  const at::Tensor x = random_images(network);
  const auto conv = [&](const at::Tensor& in, const std::string& name, int64_t stride,
                        int64_t padding) {
    return at::conv2d(in, w.at(name + ".weight"), {}, stride, padding);
  };
  const auto norm = [&](const at::Tensor& in, const std::string& name) {
    return at::batch_norm(in, w.at(name + ".weight"), w.at(name + ".bias"),
                          w.at(name + ".running_mean"), w.at(name + ".running_var"), false, 0.1,
                          1e-5, false);
  };
  const auto block = [&](const at::Tensor& in, const std::string& name, int64_t stride) {
    at::Tensor main = norm(conv(in, name + ".conv1", stride, 1), name + ".bn1").relu();
    main = norm(conv(main, name + ".conv2", 1, 1), name + ".bn2");
    if (stride == 1) return (main + in).relu();
    return (main + norm(conv(in, name + ".downsample.0", stride, 0), name + ".downsample.1"))
        .relu();
  };
  at::Tensor y = norm(conv(x, "conv1", 1, 1), "bn1").relu();
  y = block(block(y, "layer1.0", 1), "layer2.0", 2).mean({2, 3});
  y = at::linear(y, w.at("fc.weight"), w.at("fc.bias"));
  EXPECT_TRUE(at::allclose(evaluate(network, w, x), y, 1e-12, 1e-13));
}

TEST(ConvNet, training_updates_the_statistics_and_evaluation_does_not) {
  const auto module = build(small_resnet());
  const at::Tensor x = random_images(module->network()).to(at::kFloat);
  const at::Tensor mean = module->named_buffers()["bn1.running_mean"];
  module->eval();
  module->forward(x);
  EXPECT_EQ(mean.abs().sum().item<float>(), 0);
  module->train();
  module->forward(x);
  EXPECT_GT(mean.abs().sum().item<float>(), 0);
}

TEST(ConvNet, inputs_and_weights_of_other_shapes_are_refused) {
  const Network network = small_resnet();
  const auto module = build(network);
  EXPECT_EQ(error_of([&] { module->forward(at::zeros({1, 3, 16, 15})); }), "T-NET-11");
  EXPECT_EQ(error_of([&] { module->forward(at::zeros({3, 16, 16})); }), "T-NET-11");
  TensorMap weights = random_weights(network);
  weights.set("fc.bias", at::zeros({5}));
  EXPECT_EQ(error_of([&] { build(network, weights); }), "T-NET-09");
  weights.erase("fc.bias");
  EXPECT_EQ(error_of([&] { evaluate(network, weights, random_images(network)); }), "T-NET-09");
}

TEST(ConvNet, dtype_and_device_of_the_owner_reach_the_layers) {
  const auto module = build(small_resnet());
  module->to(at::kDouble);
  module->eval();
  EXPECT_EQ(module->forward(random_images(module->network())).scalar_type(), at::kDouble);
}

/// Whether inference in `dtype` is at most twice as far from double as the plain layers are.
void expect_as_accurate_as_plain(const Network& network, at::ScalarType dtype) {
  const TensorMap weights = random_weights(network);
  const auto module = build(network, weights);
  module->eval();
  const at::NoGradGuard no_grad;
  const at::Tensor x = random_images(network);
  const at::Tensor exact = module->forward(x);
  module->to(dtype);
  TensorMap rounded;
  for (const auto& [key, tensor] : weights) rounded.set(key, tensor.to(dtype));
  const auto error = [&](const at::Tensor& y) { return (y - exact).norm().item<double>(); };
  const double plain = error(evaluate(network, rounded, x.to(dtype)));
  EXPECT_LE(error(module->forward(x.to(dtype))), 2 * plain) << network.name << " " << dtype;
}

TEST(ConvNet, one_pass_convolutions_are_as_accurate_as_plain_ones) {
  for (const char* name : {"lol/goldnumber-fraction", "roundabout", "mobilenet_v1"}) {
    Network network = networks().at(name).make();
    if (network.input.height > 64) network.input.height = network.input.width = 64;
    expect_as_accurate_as_plain(network, at::kFloat);
  }
  for (const bool is_bottleneck : {false, true}) {
    expect_as_accurate_as_plain(small_resnet(is_bottleneck), at::kFloat);
    expect_as_accurate_as_plain(small_resnet(is_bottleneck), at::kBFloat16);
  }
}

TEST(ConvNet, under_autocast_convolutions_choose_their_dtype) {
  // No linear layer, which would round whatever it meets.
  const Network network = NetworkBuilder("n", kImage).conv("a", 4, 3).relu("r").build();
  TensorMap weights;
  for (const auto& [key, tensor] : random_weights(network)) weights.set(key, tensor.to(at::kFloat));
  const auto module = build(network, weights);
  module->eval();
  const at::Tensor x = random_images(network).to(at::kFloat);
  const at::NoGradGuard no_grad;
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  at::autocast::set_autocast_enabled(at::kCPU, true);
  const at::Tensor y = module->forward(x);
  const at::Tensor plain = evaluate(network, weights, x);
  at::autocast::set_autocast_enabled(at::kCPU, false);
  at::autocast::clear_cache();
  EXPECT_EQ(y.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::allclose(y, plain, 1e-2, 1e-2));
}

TEST(ConvNet, branches_are_added_by_whoever_comes_last) {
  const auto start = [] {
    return NetworkBuilder("n", kImage).conv("a", 4, 3, {.padding = 1}).batch_norm("a_bn");
  };
  const Network networks[] = {
      // The sum of a normed branch with one that is read again, in either order.
      start()
          .conv("b", 4, 1)
          .batch_norm("b_bn")
          .add("s", "a_bn")
          .relu("r")
          .add("t", "a_bn")
          .build(),
      start().relu("r").add("s", "a_bn").conv("b", 4, 1).add("t", "s").build(),
      // The network's input, and a layer with itself.
      NetworkBuilder("n", kImage).conv("a", 3, 1, {.has_bias = true}).add("s", "input").build(),
      start().add("s", "a_bn").build(),
      // A norm behind a sum, and a convolution that two layers read.
      start().conv("b", 4, 1).add("s", "a").batch_norm("s_bn").relu("r").build()};
  for (const Network& network : networks) expect_as_accurate_as_plain(network, at::kFloat);
}

TEST(ConvNet, kept_kernels_follow_the_parameters) {
  const Network network = small_resnet();
  const auto module = build(network, random_weights(network));
  module->to(at::kFloat);
  module->eval();
  const at::NoGradGuard no_grad;
  const at::Tensor x = random_images(network, 4).to(at::kFloat);
  const auto expect_current = [&](const char* after) {
    TensorMap weights;
    for (const auto& list : {module->named_parameters(), module->named_buffers()}) {
      for (const auto& item : list) weights.set(item.key(), item.value());
    }
    const at::Tensor plain = evaluate(network, weights, x);
    EXPECT_TRUE(at::allclose(module->forward(x), plain, 1e-4, 1e-4)) << after;
    EXPECT_TRUE(at::allclose(module->forward(x.narrow(0, 0, 1)), plain.narrow(0, 0, 1), 1e-4, 1e-4))
        << after << ", one image";
  };
  expect_current("the first call");
  for (const char* name : {"layer2.0.conv2.weight", "bn1.weight", "layer1.0.bn2.bias"}) {
    module->named_parameters()[name].mul_(3);
    expect_current(name);
  }
  for (const char* name : {"layer2.0.downsample.1.running_mean", "bn1.running_var"}) {
    module->named_buffers()[name].add_(1);
    expect_current(name);
  }
  module->to(at::kBFloat16);
  module->to(at::kFloat);
  expect_current("a detour through bfloat16");
  // What versions do not tell: a training forward forgets.
  module->named_parameters()["conv1.weight"].variable_data().mul_(2);
  module->train();
  module->forward(x);
  module->eval();
  expect_current("a training forward");
}

TEST(FoldBatchNorm, outputs_stay) {
  for (const bool is_bottleneck : {false, true}) {
    const Network network = small_resnet(is_bottleneck);
    const WeightedNetwork before{network, random_weights(network)};
    const WeightedNetwork after = fold_batch_norm(before);
    for (const Layer& layer : after.network.layers) EXPECT_NE(layer.kind, LayerKind::kBatchNorm);
    EXPECT_TRUE(after.network.layer("layer2.0.downsample.0").has_bias);
    const at::Tensor x = random_images(network);
    EXPECT_TRUE(at::allclose(evaluate(after.network, after.weights, x),
                             evaluate(before.network, before.weights, x), 1e-10, 1e-10));
    EXPECT_EQ(after.weights.size(), weight_specs(after.network).size());
  }
}

TEST(FoldBatchNorm, linear_layers_and_biases_fold_too_and_shared_inputs_stay) {
  const Network network = NetworkBuilder("n", kImage)
                              .conv("a", 4, 3, {.padding = 1, .has_bias = true})
                              .batch_norm("a_bn")
                              .flatten()
                              .linear("l", 5, false)
                              .build();
  WeightedNetwork it{network, random_weights(network)};
  it.network.layers.push_back({.name = "l_bn", .kind = LayerKind::kBatchNorm, .inputs = {"l"}});
  for (const char* leaf : {"weight", "bias", "running_mean", "running_var"}) {
    it.weights.set(std::string("l_bn.") + leaf, at::rand({5}, at::kDouble) + 0.5);
  }
  const WeightedNetwork after = fold_batch_norm(it);
  EXPECT_EQ(after.network.layers.size(), 3U);
  const at::Tensor x = random_images(network);
  // Batch norm of features: ATen takes (B, C) as it takes maps.
  EXPECT_TRUE(at::allclose(evaluate(after.network, after.weights, x),
                           evaluate(it.network, it.weights, x), 1e-10, 1e-10));

  Network shared = NetworkBuilder("s", kImage)
                       .conv("a", 4, 3, {.padding = 1})
                       .batch_norm("bn")
                       .add("sum", "a")
                       .build();
  EXPECT_EQ(fold_batch_norm({shared, random_weights(shared)}).network, shared);
}

TEST(Methods, pools_dropout_and_classifier) {
  const Network fc = vgg_fc({.input = kImage,
                             .num_classes = 3,
                             .plan = {4, kPool},
                             .pool = PoolKind::kMax,
                             .hidden = 6,
                             .pooled_size = 2});
  EXPECT_EQ(with_average_pools(fc).layer("features.3").kind, LayerKind::kAvgPool);
  const Network dry = without_dropout(fc);
  const TensorMap weights = random_weights(fc);
  const at::Tensor x = random_images(fc);
  EXPECT_TRUE(at::equal(evaluate(dry, weights, x), evaluate(fc, weights, x)));
  EXPECT_EQ(dry.find("classifier.2"), Network::npos);
  EXPECT_EQ(output_shape(without_classifier(small_resnet())).channels, 8);
  EXPECT_EQ(error_of([] { without_classifier(networks().at("tiny_bottleneck").make()); }),
            "T-NET-12");
}

TEST(Names, wrappers_come_off_and_torchvisions_names_are_the_layers) {
  const Network network = small_resnet(true);
  const TensorMap own = random_weights(network);
  for (const char* prefix : {"", "module.", "backbone.body.", "module.encoder_q."}) {
    TensorMap theirs = export_weights(network, own, prefix);
    theirs.set(std::string(prefix) + "bn1.num_batches_tracked", at::zeros({}, at::kLong));
    theirs.set("roi_heads.box.weight", at::zeros({2}));
    const TensorMap back = import_weights(network, theirs);
    ASSERT_EQ(back.size(), own.size()) << prefix;
    for (const auto& [name, tensor] : own) EXPECT_TRUE(at::equal(back.at(name), tensor)) << name;
  }
  EXPECT_EQ(error_of([&] { import_weights(network, {{"x", at::zeros({1})}}); }), "T-NET-09");
  EXPECT_EQ(without_counters({{"a.num_batches_tracked", at::zeros({1})}}).size(), 0U);

  const Network r50 = networks().at("resnet50").make();
  std::vector<std::string> names;
  for (const WeightSpec& spec : weight_specs(r50)) names.push_back(spec.name);
  for (const char* name : {"conv1.weight", "bn1.running_var", "layer1.0.downsample.0.weight",
                           "layer3.5.conv3.weight", "layer4.2.bn3.bias", "fc.bias"}) {
    EXPECT_NE(std::ranges::find(names, name), names.end()) << name;
  }
}

TEST(Init, the_rules_draw_what_they_say) {
  const Network network = NetworkBuilder("n", {.channels = 16, .height = 6, .width = 6})
                              .conv("c", 64, 3, {.has_bias = true})
                              .batch_norm("bn")
                              .flatten()
                              .linear("l", 40)
                              .build();
  seed_default_generators(1);
  const TensorMap xavier = draw_weights(network, Initialisation::kXavierRelu);
  const double bound = std::sqrt(2.0) * std::sqrt(6.0 / ((16 + 64) * 9));
  const double largest = xavier.at("c.weight").abs().max().item<double>();
  EXPECT_LE(largest, bound);
  EXPECT_GT(largest, 0.99 * bound);
  EXPECT_NEAR(xavier.at("l.weight").std().item<double>(), 0.01, 0.001);
  EXPECT_EQ(xavier.at("c.bias").abs().max().item<double>(), 0);
  const TensorMap fan_out = draw_weights(network, Initialisation::kFanOut);
  EXPECT_NEAR(fan_out.at("c.weight").std().item<double>(), std::sqrt(2.0 / (64 * 9)), 0.002);
  EXPECT_NEAR(fan_out.at("l.weight").std().item<double>() * 1024, 1, 0.05);
  EXPECT_GT(fan_out.at("c.bias").abs().max().item<double>(), 0);
  EXPECT_EQ(fan_out.at("l.bias").abs().max().item<double>(), 0);
  const TensorMap kaiming = draw_weights(network, Initialisation::kKaimingFanOut);
  EXPECT_EQ(kaiming.at("c.bias").abs().max().item<double>(), 0);
  EXPECT_GT(kaiming.at("l.bias").abs().max().item<double>(), 0);
  const TensorMap torch_rule = draw_weights(network, Initialisation::kTorch);
  EXPECT_LE(torch_rule.at("c.weight").abs().max().item<double>(), 1.0 / 12);
  EXPECT_EQ(torch_rule.at("bn.running_var").min().item<double>(), 1);
}

TEST(Cost, parameters_are_those_of_the_papers) {
  const auto parameters = [](const Network& network) { return cost(network).parameters; };
  EXPECT_EQ(parameters(networks().at("vgg16").make()), 14728266);
  EXPECT_EQ(parameters(networks().at("resnet20_wide").make()), 4327754);
  EXPECT_EQ(parameters(networks().at("resnet34_deep_stem").make()), 21816904);
  EXPECT_EQ(parameters(networks().at("mobilenet_v1").make()), 4231976);
  EXPECT_EQ(parameters(networks().at("resnet18").make()), 11689512);
  EXPECT_EQ(parameters(networks().at("resnet50").make()), 25557032);
}

TEST(Cost, multiply_adds_are_those_of_the_papers) {
  const auto millions = [](const char* name) {
    return static_cast<double>(cost(networks().at(name).make()).ops) / 2e6;
  };
  EXPECT_NEAR(millions("vgg16"), 313, 1);
  EXPECT_NEAR(millions("resnet20_wide"), 648, 1);
  EXPECT_NEAR(millions("resnet34_deep_stem"), 3900, 10);
  EXPECT_NEAR(millions("mobilenet_v1"), 569, 1);
}

TEST(Cost, intensity_needs_a_batch_and_bytes) {
  const NetworkCost figures = cost(small_resnet());
  EXPECT_EQ(error_of([&] { arithmetic_intensity(figures, 0, 2); }), "T-COST-01");
  EXPECT_EQ(error_of([&] { arithmetic_intensity(figures, 1, 0); }), "T-COST-01");
}

}  // namespace
}  // namespace tessera::nn
