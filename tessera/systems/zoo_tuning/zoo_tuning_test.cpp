#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tessera/io/temporary_folder.h"
#include "tessera/io/tensor_file.h"
#include "tessera/nn/convnet/fold.h"
#include "tessera/systems/zoo_tuning/baselines.h"
#include "tessera/systems/zoo_tuning/procedures.h"
#include "tessera/systems/zoo_tuning/test_inputs.h"
#include "tessera/systems/zoo_tuning/zoo.h"

// What the mathematics says of aggregated layers and of the networks made of them.

namespace tessera::zoo_tuning {
namespace {

using testing::draw;
using testing::images;
using testing::largest;
using testing::layer;
using testing::tiny;

at::Tensor conv(const at::Tensor& x, const at::Tensor& kernel) {
  return at::conv2d(x, kernel, {}, at::IntArrayRef{1}, at::IntArrayRef{1});
}

/// Sets parameters and buffers by name.
void set(Model& model, const TensorMap& some) {
  TensorMap all = weights_of(model);
  all.merge(some);
  load_weights(model, all);
}

at::Tensor identity_alignment(int64_t sources, int64_t out) {
  return at::eye(out, at::kDouble).repeat({sources, 1}).view({sources * out, out, 1, 1});
}

TEST(ZooConv, an_identity_alignment_changes_nothing) {
  const auto aligned = layer(), bare = layer({{"align", false}});
  set(*aligned, {{"align_conv", identity_alignment(4, 5)}});
  TensorMap weights = weights_of(*aligned);
  weights.erase("align_conv");
  load_weights(*bare, weights);
  const TensorMap inputs{{"x", draw({3, 6, 7, 6}, 1)}};
  const at::Tensor y = bare->run(inputs).at("y");
  EXPECT_LT(largest(aligned->run(inputs).at("y") - y), 1e-12 * largest(y));
}

TEST(ZooConv, equal_sources_scale_one_convolution_by_the_sum_of_gates) {
  const auto model = layer({{"align", false}});
  const at::Tensor kernel = draw({5, 6, 3, 3}, 2), x = draw({3, 6, 7, 6}, 1);
  set(*model, {{"weight", kernel.expand({4, 5, 6, 3, 3})}});
  const TensorMap out = model->run({{"x", x}});
  const at::Tensor expected = conv(x, kernel) * out.at("gates").sum(1).view({3, 1, 1, 1});
  EXPECT_LT(largest(out.at("y") - expected), 1e-12 * largest(expected));
}

TEST(ZooConv, is_the_gated_sum_of_the_sources_outputs) {
  const auto model = layer();
  const TensorMap weights = weights_of(*model);
  const at::Tensor x = draw({3, 6, 7, 6}, 1);
  const TensorMap out = model->run({{"x", x}});
  at::Tensor expected = at::zeros_like(out.at("y"));
  for (int64_t e = 0; e < 4; ++e) {
    const at::Tensor t = weights.at("align_conv").narrow(0, 5 * e, 5).view({5, 5});
    const at::Tensor aligned = t.matmul(weights.at("weight")[e].view({5, -1})).view({5, 6, 3, 3});
    expected += out.at("gates").select(1, e).view({3, 1, 1, 1}) * conv(x, aligned);
  }
  EXPECT_LT(largest(out.at("y") - expected), 1e-12 * largest(expected));
  // One value a source, each between 0 and 1, and no sum of 1.
  EXPECT_GT(out.at("gates").min().item<double>(), 0);
  EXPECT_LT(out.at("gates").max().item<double>(), 1);
  EXPECT_GT(largest(out.at("gates").sum(1) - 1), 1e-3);
}

TEST(ZooConv, does_not_know_the_order_of_its_sources) {
  const auto model = layer({{"lite", true}}), permuted = layer({{"lite", true}});
  set(*model, {{"lite_attention", draw({4}, 8).sigmoid()}});
  const TensorMap w = weights_of(*model);
  const at::Tensor order = at::tensor({2, 0, 3, 1}, at::kLong);
  const auto moved = [&](const char* name) { return w.at(name).index_select(0, order); };
  load_weights(
      *permuted,
      {{"weight", moved("weight")},
       {"align_conv",
        w.at("align_conv").view({4, 5, 5, 1, 1}).index_select(0, order).view({20, 5, 1, 1})},
       {"attention.1.weight", w.at("attention.1.weight")},
       {"attention.3.weight", moved("attention.3.weight")},
       {"attention.3.bias", moved("attention.3.bias")},
       {"lite_attention", moved("lite_attention")}});
  const TensorMap inputs{{"x", draw({3, 6, 7, 6}, 1)}};
  for (const bool is_training : {false, true}) {
    model->train(is_training);
    permuted->train(is_training);
    const at::Tensor y = model->run(inputs).at("y");
    EXPECT_LT(largest(permuted->run(inputs).at("y") - y), 1e-12 * largest(y)) << is_training;
  }
}

TEST(ZooConv, samples_do_not_meet_unless_lite_trains) {
  const at::Tensor x = draw({4, 6, 7, 6}, 1);
  const auto rest = [&](Model& model, int64_t count) {
    return model.run({{"x", x.narrow(0, 0, count)}}).at("y")[0];
  };
  const auto full = layer(), lite = layer({{"lite", true}});
  EXPECT_LT(largest(rest(*full, 4) - rest(*full, 1)), 1e-11);
  lite->train();
  EXPECT_GT(largest(rest(*lite, 4) - rest(*lite, 1)), 1e-3);
}

TEST(ZooConv, averages_its_gates_from_zero) {
  const auto model = layer({{"lite", true}, {"lite_momentum", 0.25}});
  model->train();
  at::Tensor expected = at::zeros({4}, at::kDouble);
  for (uint64_t step = 0; step < 5; ++step) {
    const TensorMap out = model->run({{"x", draw({3, 6, 7, 6}, step)}});
    expected = 0.75 * expected + 0.25 * out.at("gates").detach().mean(0);
    EXPECT_LT(largest(out.at("buffer/lite_attention_after") - expected), 1e-14) << step;
    EXPECT_FALSE(out.at("buffer/lite_attention_after").requires_grad());
  }
}

TEST(ZooConv, lite_evaluation_is_a_plain_convolution) {
  const auto model = layer({{"lite", true}, {"bias", true}});
  set(*model, {{"lite_attention", draw({4}, 8).sigmoid()}});
  const TensorMap w = weights_of(*model);
  const at::Tensor x = draw({3, 6, 7, 6}, 1);
  at::Tensor kernel = at::zeros({5, 6, 3, 3}, at::kDouble);
  for (int64_t e = 0; e < 4; ++e) {
    const at::Tensor t = w.at("align_conv").narrow(0, 5 * e, 5).view({5, 5});
    kernel +=
        w.at("lite_attention")[e] * t.matmul(w.at("weight")[e].view({5, -1})).view({5, 6, 3, 3});
  }
  const at::Tensor expected =
      conv(x, kernel) + w.at("lite_attention").matmul(w.at("bias")).view({1, 5, 1, 1});
  const at::Tensor y = model->run({{"x", x}}).at("y");
  EXPECT_LT(largest(y - expected), 1e-12 * largest(expected));
  const at::NoGradGuard no_grad;
  EXPECT_LT(largest(model->run({{"x", x}}).at("y") - expected), 1e-12 * largest(expected));
}

TEST(ZooConv, what_evaluation_keeps_follows_every_change) {
  const at::Tensor x = draw({3, 6, 7, 6}, 1);
  for (const bool is_lite : {false, true}) {
    const auto model = layer({{"lite", is_lite}});
    if (is_lite) set(*model, {{"lite_attention", draw({4}, 8).sigmoid()}});
    const auto kept = [&] {
      const at::NoGradGuard no_grad;
      return model->run({{"x", x}}).at("y");
    };
    const auto fresh = [&] { return model->run({{"x", x}}).at("y").detach(); };
    EXPECT_LT(largest(kept() - fresh()), 1e-11);
    for (const at::Tensor& tensor : model->parameters()) {
      const at::NoGradGuard no_grad;
      at::Tensor(tensor).mul_(1.1);
      EXPECT_LT(largest(kept() - fresh()), 1e-11);
    }
    model->to(at::kFloat);
    const at::NoGradGuard no_grad;
    EXPECT_EQ(model->run({{"x", x.to(at::kFloat)}}).at("y").scalar_type(), at::kFloat);
  }
}

TEST(ZooLinear, is_a_convolution_of_one_position) {
  const auto linear = layer({{"layer", "zoo_linear"}, {"align_all", true}, {"bias", true}});
  const auto pointwise =
      layer({{"kernel_size", 1}, {"padding", 0}, {"align_all", true}, {"bias", true}});
  load_weights(*pointwise, weights_of(*linear));
  const at::Tensor x = draw({3, 6}, 1);
  const at::Tensor y = linear->run({{"x", x}}).at("y");
  ASSERT_EQ(y.sizes(), at::IntArrayRef({3, 5}));
  const at::Tensor expected = pointwise->run({{"x", x.view({3, 6, 1, 1})}}).at("y").flatten(1);
  EXPECT_LT(largest(y - expected), 1e-12 * largest(expected));
}

TEST(ZooModel, a_split_batch_is_the_whole_in_evaluation) {
  const auto model = tiny();
  model->run({{"x", images(6)}});
  model->eval();
  const at::Tensor x = images(5, 6), whole = model->run({{"x", x}}).at("logits");
  const at::Tensor parts = at::cat({model->run({{"x", x.narrow(0, 0, 2)}}).at("logits"),
                                    model->run({{"x", x.narrow(0, 2, 3)}}).at("logits")});
  EXPECT_LT(largest(whole - parts), 1e-11 * largest(whole));
}

TEST(ZooModel, aligns_where_the_authors_do) {
  const ZooConfig config = ZooConfig::of({{"network", "resnet50"}, {"num_classes", 10}});
  std::vector<std::string> aligned;
  int64_t parameters = 0;
  const nn::Network network = feature_network(config);
  const auto shapes = nn::infer_shapes(network);
  for (size_t i = 0; i < network.layers.size(); ++i) {
    const nn::Layer& layer = network.layers[i];
    if (layer.kind != nn::LayerKind::kConv || !is_aligned(config, layer)) continue;
    aligned.push_back(layer.name);
    parameters += 5 * layer.out_channels * layer.out_channels;
  }
  EXPECT_EQ(aligned.size(), 1U + 6U + 3U);
  EXPECT_EQ(aligned.front(), "conv1");
  EXPECT_EQ(aligned[1], "layer3.0.conv2");
  EXPECT_NEAR(static_cast<double>(parameters), 5.92e6, 0.01e6);
  const ZooConfig paper =
      ZooConfig::of({{"network", "resnet50"}, {"num_classes", 10}, {"align_all", true}});
  EXPECT_TRUE(is_aligned(paper, network.layer("layer1.0.conv1")));
  EXPECT_FALSE(is_lite(ZooConfig::of({{"lite", true}}), network.layer("layer1.0.downsample.0")));
}

TEST(ZooModel, tells_the_training_forwards_beside_its_statistics) {
  const auto model = tiny();
  const char* counter = "buffer/f_net.layer1.0.bn2.num_batches_tracked_after";
  for (const int64_t count : {1, 2}) {
    const TensorMap outputs = model->run({{"x", images(2)}});
    EXPECT_EQ(outputs.at(counter).scalar_type(), at::kLong);
    EXPECT_EQ(outputs.at(counter).item<int64_t>(), count);
    EXPECT_TRUE(outputs.contains("buffer/f_net.layer1.0.bn2.running_var_after"));
  }
  model->eval();
  EXPECT_FALSE(model->run({{"x", images(2)}}).contains(counter));
  EXPECT_FALSE(weights_of(*model).contains("f_net.layer1.0.bn2.num_batches_tracked"));
}

TEST(ZooModel, trains_every_parameter) {
  for (const bool is_lite : {false, true}) {
    const auto model = tiny({{"lite", is_lite}, {"align_all", true}});
    const TensorMap out = model->run({{"x", images(4)}});
    at::cross_entropy_loss(out.at("logits"), at::tensor({0, 1, 2, 3}, at::kLong)).backward();
    for (const auto& item : model->named_parameters()) {
      ASSERT_TRUE(item.value().grad().defined()) << item.key();
      EXPECT_TRUE(item.value().grad().isfinite().all().item<bool>()) << item.key();
    }
  }
}

TEST(Zoo, stacks_kernels_averages_norms_and_drops_statistics) {
  const auto model = tiny();
  const auto sources = testing::sources(3);
  const TensorMap built = weights_from_zoo(model->net().network(), sources);
  const std::string kernel = "layer1.0.conv2.weight", scale = "layer1.1.bn3.weight";
  for (int64_t e = 0; e < 3; ++e) {
    EXPECT_TRUE(at::equal(built.at(kernel)[e], sources[static_cast<size_t>(e)].at(kernel)));
  }
  EXPECT_LT(largest(built.at(scale) -
                    (sources[0].at(scale) + sources[1].at(scale) + sources[2].at(scale)) / 3),
            1e-15);
  EXPECT_EQ(largest(built.at("bn1.running_mean")), 0);
  EXPECT_EQ(largest(built.at("bn1.running_var") - 1), 0);
  EXPECT_FALSE(built.contains("fc.weight"));
  TensorMap wrapped = sources[1].prefixed("backbone.body.");
  EXPECT_TRUE(at::equal(
      weights_from_zoo(model->net().network(), {sources[0], wrapped, sources[2]}).at(kernel),
      built.at(kernel)));
}

TEST(Zoo, counters_of_batches_are_averaged_where_sources_have_them) {
  const Json config = {{"network", "tiny"}, {"num_sources", 2}};
  TensorMap inputs;
  const auto sources = testing::sources(2);
  for (int64_t i = 0; i < 2; ++i) {
    const std::string prefix = "source" + std::to_string(i) + ".";
    inputs.merge(sources[static_cast<size_t>(i)].prefixed(prefix));
    inputs.set(prefix + "bn1.num_batches_tracked", at::scalar_tensor(4 + 3 * i, at::kLong));
  }
  const TensorMap outputs = procedures().front().run(config, inputs);
  EXPECT_EQ(outputs.at("bn1.num_batches_tracked").item<int64_t>(), 5);
  EXPECT_FALSE(outputs.contains("layer1.0.bn1.num_batches_tracked"));
}

TEST(Zoo, one_gate_of_one_is_the_source_itself) {
  // Gates of 1/E without alignment are the average; a lite zoo can be set to them.
  const auto model = tiny({{"lite", true}, {"downsample_lite", true}});
  const auto sources = testing::sources(3);
  TensorMap weights = weights_of(*model);
  weights.merge(weights_from_zoo(model->net().network(), sources).prefixed("f_net."));
  for (const auto& [name, tensor] : weights) {
    if (name.ends_with("lite_attention")) weights.set(name, at::full_like(tensor, 1.0 / 3));
  }
  load_weights(*model, weights);
  model->eval();
  TensorMap average = average_weights(model->net().network(), sources);
  for (const auto& [name, tensor] : average) {
    if (name.ends_with("running_mean")) average.set(name, at::zeros_like(tensor));
    if (name.ends_with("running_var")) average.set(name, at::ones_like(tensor));
  }
  const at::Tensor expected = nn::evaluate(model->net().network(), average, images(3));
  EXPECT_LT(largest(model->run({{"x", images(3)}}).at("features") - expected),
            1e-11 * largest(expected));
}

std::shared_ptr<ZooModel> trained_lite() {
  const auto model = tiny({{"lite", true}, {"downsample_lite", true}});
  for (uint64_t step = 0; step < 3; ++step) model->run({{"x", images(4, step)}});
  model->eval();
  return model;
}

TEST(Zoo, a_merged_network_computes_what_the_lite_model_does) {
  const auto model = trained_lite();
  const nn::WeightedNetwork plain = model->merged();
  const at::NoGradGuard no_grad;
  const at::Tensor expected = model->run({{"x", images(3)}}).at("logits");
  EXPECT_LT(largest(nn::evaluate(plain.network, plain.weights, images(3)) - expected),
            1e-12 * largest(expected));
  EXPECT_EQ(plain.network, plain_network(model->config()));
  // A source again: another zoo may hold it.
  EXPECT_EQ(weights_from_zoo(model->net().network(), {plain.weights}).at("conv1.weight").size(0),
            1);
}

TEST(Zoo, a_merged_network_takes_every_other_method) {
  const auto model = trained_lite();
  const nn::WeightedNetwork plain = nn::fold_batch_norm(model->merged());
  EXPECT_FALSE(plain.weights.contains("bn1.weight"));
  const at::NoGradGuard no_grad;
  const at::Tensor expected = model->run({{"x", images(4)}}).at("logits");
  EXPECT_LT(largest(nn::evaluate(plain.network, plain.weights, images(4)) - expected),
            1e-11 * largest(expected));
  const nn::Network pairs = nn::fold(plain.network, {.fold = 2, .width_multiplier = 2.0});
  const at::Tensor logits =
      nn::evaluate(pairs, nn::side_by_side_weights(plain.network, plain.weights, 2),
                   images(4).view({2, 6, 20, 20}))
          .view(expected.sizes());
  EXPECT_LT(largest(logits - expected), 1e-11 * largest(expected));
}

TEST(Baselines, start_from_their_source_or_the_mean) {
  const io::TemporaryFolder folder;
  std::vector<std::string> paths;
  const auto sources = testing::sources(3);
  for (size_t i = 0; i < sources.size(); ++i) {
    paths.push_back(folder / (std::to_string(i) + ".safetensors"));
    io::write_tensor_file(paths.back(), sources[i]);
  }
  Json values = {{"network", "tiny"}, {"num_classes", 4}, {"num_sources", 3},
                 {"image_size", 20},  {"sources", paths}, {"source", 1}};
  const auto of = [&](const char* method) {
    Json with = values;
    with["method"] = method;
    const auto model = make_model(ZooConfig::of(with));
    model->to(at::kDouble);
    model->eval();
    return model;
  };
  const auto plain = of("plain"), average = of("average"), ensemble = of("ensemble"),
             zoo = of("zoo");
  const char* name = "layer1.0.conv2.weight";
  EXPECT_LT(largest(weights_of(*plain).at(name) - sources[1].at(name)), 1e-7);
  EXPECT_LT(largest(weights_of(*average).at(name) -
                    (sources[0].at(name) + sources[1].at(name) + sources[2].at(name)) / 3),
            1e-6);
  EXPECT_LT(largest(weights_of(*zoo).at(std::string("f_net.") + name)[2] - sources[2].at(name)),
            1e-7);
  const TensorMap out = ensemble->run({{"x", images(2)}});
  EXPECT_LT(largest(out.at("logits") - out.at("logits_each").mean(0)), 1e-14);
  EXPECT_LT(largest(weights_of(*ensemble).at(std::string("member2.") + name) - sources[2].at(name)),
            1e-7);

  io::write_tensor_file(folder / "teacher.safetensors", weights_of(*ensemble));
  values["teacher"] = folder / "teacher.safetensors";
  const auto student = of("distillation");
  EXPECT_FALSE(student->run({{"x", images(2)}}).contains("distillation"));
  student->train();
  EXPECT_GT(student->run({{"x", images(4)}}).at("distillation").item<double>(), 0);

  // Files that are gone matter to a training alone, and not once weights have been loaded.
  values["sources"] = {paths[0], paths[1], folder / "gone.safetensors"};
  for (const char* method : {"zoo", "plain", "ensemble", "average"}) {
    const auto model = of(method);
    EXPECT_EQ(testing::error_of([&] { model->run({{"x", images(2)}}); }), "none");
    model->train();
    EXPECT_EQ(testing::error_of([&] { model->run({{"x", images(2)}}); }), "T-ZOO-24");
    load_weights(*model, weights_of(*of(method)));
    EXPECT_EQ(testing::error_of([&] { model->run({{"x", images(2)}}); }), "none");
  }
}

}  // namespace
}  // namespace tessera::zoo_tuning
