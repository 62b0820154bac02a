// Methods of several papers on one network. Each step is a plain network with its weights: a
// checkpoint that can be written, read and run by itself.

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include "tessera/core/error.h"
#include "tessera/io/temporary_folder.h"
#include "tessera/io/tensor_file.h"
#include "tessera/nn/convnet/fold.h"
#include "tessera/nn/convnet/mergeable.h"
#include "tessera/systems/network_method.h"
#include "tessera/systems/system.h"

namespace tessera {
namespace {

constexpr int64_t kFold = 2, kImages = 8;

at::Tensor images(uint64_t seed) {
  return at::rand({kImages, 1, 12, 12}, at::detail::createCPUGenerator(seed));
}

at::Tensor grouped(const at::Tensor& x) { return x.reshape({-1, kFold, x.size(2), x.size(3)}); }

/// A lite Zoo-Tuned network of two sources after some training forwards, in evaluation mode.
std::shared_ptr<Model> tuned(const Json& more) {
  const System& system = systems().at("zoo_tuning");
  Json values = {{"network", "lenet"}, {"widths", {4, 5, 6}},    {"image_size", 12},
                 {"num_classes", 3},   {"num_sources", 2},       {"lite", true},
                 {"pool", "average"},  {"downsample_lite", true}};
  values.update(more);
  const std::unique_ptr<Config> config = system.model.config();
  read_config(*config, values, "model");
  auto model = system.model.make(*config);
  auto random = at::detail::createCPUGenerator(3);
  const at::NoGradGuard no_grad;
  for (at::Tensor& parameter : model->parameters()) {
    if (parameter.dim() > 1) parameter.normal_(0, 0.5, random);
  }
  for (uint64_t step = 0; step < 40; ++step) model->run({{"x", images(step)}});
  model->eval();
  return model;
}

nn::WeightedNetwork merged(const std::shared_ptr<Model>& model) {
  return dynamic_cast<const nn::Mergeable&>(*model).merged();
}

nn::WeightedNetwork folded(const nn::WeightedNetwork& plain) {
  return {nn::fold(plain.network, {.fold = kFold, .width_multiplier = double{kFold}}),
          nn::side_by_side_weights(plain.network, plain.weights, kFold)};
}

/// Written as a checkpoint and read again.
nn::WeightedNetwork reread(const nn::WeightedNetwork& it) {
  const io::TemporaryFolder folder;
  const std::string path = folder / "plain.safetensors";
  io::write_tensor_file(path, it.weights, {{"network", nn::to_json(it.network).dump()}});
  const io::TensorFile file = io::read_tensor_file(path, io::Storage::kCopied);
  return {nn::network_from_json(Json::parse(*file.find_metadata("network"))), file.tensors};
}

at::Tensor evaluate(const nn::WeightedNetwork& it, const at::Tensor& x) {
  return nn::evaluate(it.network, it.weights, x);
}

double relative_error(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

TEST(Composition, every_step_is_a_plain_checkpoint_that_computes_the_same) {
  const at::NoGradGuard no_grad;
  const auto model = tuned(Json::object());
  const at::Tensor x = images(100);
  const at::Tensor expected = model->run({{"x", x}}).at("logits");

  const nn::WeightedNetwork plain = reread(merged(model));
  EXPECT_LT(relative_error(evaluate(plain, x), expected), 1e-5);
  const nn::WeightedNetwork normless = reread(nn::fold_batch_norm(plain));
  EXPECT_LT(relative_error(evaluate(normless, x), expected), 1e-5);
  const nn::WeightedNetwork pairs = reread(folded(normless));
  EXPECT_EQ(pairs.network.images_per_input, kFold);
  EXPECT_LT(relative_error(evaluate(pairs, grouped(x)).view(expected.sizes()), expected), 1e-5);

  const std::vector<at::Tensor> batches = {grouped(images(101)), grouped(images(102))};
  const auto spiking = network_methods().at("spikes").apply(
      pairs, batches, {{"time_steps", 512}, {"threshold_mode", "max"}, {"calib", "light"}});
  const at::Tensor rates = spiking->logits(grouped(x)).view(expected.sizes()) / 512;
  EXPECT_LT(relative_error(rates, expected), 0.1);
  const nn::WeightedNetwork calibrated = reread(spiking->weighted());
  EXPECT_TRUE(calibrated.weights.contains("threshold/conv1"));
  EXPECT_LT(relative_error(evaluate(calibrated, grouped(x)).view(expected.sizes()), expected), 0.1);
  // The calibrated biases are in it.
  EXPECT_FALSE(at::equal(calibrated.weights.at("conv1.bias"), pairs.weights.at("conv1.bias")));
}

TEST(Composition, companions_of_a_group_do_not_meet_also_when_they_spike) {
  const at::NoGradGuard no_grad;
  const nn::WeightedNetwork pairs = folded(nn::fold_batch_norm(merged(tuned(Json::object()))));
  const std::vector<at::Tensor> batches = {grouped(images(101))};
  const auto spiking = network_methods().at("spikes").apply(pairs, batches, {{"time_steps", 16}});
  const at::Tensor x = images(100);
  at::Tensor other = x.clone();
  other.slice(0, 1, {}, kFold) = images(103).slice(0, 1, {}, kFold);
  const auto first_of = [&](const at::Tensor& logits) {
    return logits.view({kImages / kFold, kFold, -1}).select(1, 0);
  };
  const at::Tensor a = spiking->logits(grouped(x)), b = spiking->logits(grouped(other));
  EXPECT_TRUE(at::allclose(first_of(a), first_of(b), 1e-4, 1e-4));
  EXPECT_FALSE(at::allclose(a, b, 1e-4, 1e-4));
}

TEST(Composition, a_network_with_maximum_pools_is_refused_by_the_pool_s_name) {
  const std::vector<at::Tensor> batches = {images(1)};
  try {
    network_methods().at("spikes").apply(merged(tuned({{"pool", "max"}})), batches, Json::object());
    FAIL() << "maximum pools spiked";
  } catch (const InvalidArgument& error) {
    EXPECT_EQ(error.id(), "T-SNN-15");
    EXPECT_NE(std::string(error.what()).find("pool1"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace tessera
