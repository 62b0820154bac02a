#include "tessera/systems/snn_calibration/workloads.h"

#include <fmt/format.h>
#include <torch/types.h>

#include <algorithm>

#include "tessera/nn/convnet/cost.h"
#include "tessera/nn/convnet/init.h"
#include "tessera/nn/convnet/networks.h"
#include "tessera/nn/convnet/presets.h"
#include "tessera/ops/mmse_threshold_search.h"
#include "tessera/systems/snn_calibration/layer_by_layer.h"
#include "tessera/systems/snn_calibration/model.h"

namespace tessera::snn_calibration {
namespace {

/// A spiking network that infers in evaluation mode; in training mode the loss of one batch of the
/// calibration of one layer's weights, which are its only parameter.
class SpikingWorkload final : public Model {
 public:
  SpikingWorkload(SpikingNetwork it, const std::string& layer)
      : neuron_(it.neuron(layer)), simulator_(std::move(it)) {
    const SpikingNetwork& spiking = simulator_.spiking();
    tensors_ = nn::tensors_of(spiking.network.layers[neuron_.source], spiking.weights);
    tensors_.weight = register_parameter("weight", tensors_.weight.clone());
  }

  TensorMap run(const TensorMap& inputs) override {
    if (!is_training()) return {{"logits", simulator_.run(inputs.at("x")).logits}};
    const SpikingNetwork& spiking = simulator_.spiking();
    return {
        {"loss", nn::reconstruct_loss(
                     spiking.network.layers[neuron_.source], tensors_,
                     {.input = inputs.at("input"), .residual = {}, .target = inputs.at("target")},
                     spiking.thresholds.at(neuron_.name), spiking.conversion.time_steps)}};
  }

 private:
  Neuron neuron_;
  Simulator simulator_;
  nn::LayerTensors tensors_;
};

/// The peer has no training step here either; the harness wants one parameter.
class SearchWorkload final : public Model {
 public:
  explicit SearchWorkload(int64_t steps)
      : steps_(steps), unused_(register_parameter("unused", torch::zeros({1}))) {}

  TensorMap run(const TensorMap& inputs) override {
    if (is_training()) return {{"loss", unused_.sum()}};
    const at::Tensor& a = inputs.at("activation");
    return {{"threshold", ops::mmse_threshold_search(a, steps_, false).threshold},
            {"channel_thresholds", ops::mmse_threshold_search(a, steps_, true).threshold}};
  }

 private:
  int64_t steps_;
  at::Tensor unused_;
};

/// A whole light pipeline: conversion, MMSE thresholds, calibrated biases. `again`: by the plain
/// twin, which runs both networks for every layer.
class PipelineWorkload final : public Model {
 public:
  PipelineWorkload(nn::WeightedNetwork source, bool again)
      : source_(std::move(source)), again_(again) {}

  TensorMap run(const TensorMap& inputs) override {
    const std::vector<at::Tensor> batches = inputs.at("calib").unbind(0);
    SpikingNetwork it = convert(source_, {.time_steps = kPipelineSteps});
    search_thresholds(it, batches, {});
    const auto corrected = again_ ? calibrate_bias_layer_by_layer(it, batches.front())
                                  : calibrate_bias(it, batches.front());
    return {{"bias", corrected.back().corrected}};
  }

  static constexpr int64_t kPipelineSteps = 16;

 private:
  nn::WeightedNetwork source_;
  bool again_;
};

struct Shape {
  std::string name, network, layer;
  int64_t steps;
  int64_t layer_in, layer_out, layer_side;  ///< of the training step's batch of 32
};

constexpr int64_t kBatch = 2, kStepBatch = 32;
constexpr int64_t kSearchSteps = 16, kPipelineBatches = 2;

/// thresholds: what the maximum ones are multiplied by; rates go the other way.
WorkloadInstance make(const Shape& shape, double thresholds = 1) {
  torch::manual_seed(0);
  auto generator = at::detail::createCPUGenerator(0);
  const nn::Network network = nn::networks().at(shape.network).make();
  const at::Tensor x = torch::randn({kBatch, 3, 32, 32}, generator);
  SpikingNetwork it =
      convert({network, nn::draw_weights(network, nn::Initialisation::kFanOut, generator)},
              {.time_steps = shape.steps});
  search_thresholds(it, std::span<const at::Tensor>(&x, 1),
                    {.kind = ThresholdRule::Kind::kMax, .batches = 1});
  for (const Neuron& neuron : it.neurons) {
    it.thresholds.set(neuron.name, it.thresholds.at(neuron.name) * thresholds);
  }
  const TensorMap rates = simulate(it, x, {.firing_rates = true}).firing_rates;
  double rate = 0;
  for (const auto& [name, of_layer] : rates) {
    rate += 100 * of_layer.item<double>() / static_cast<double>(rates.size());
  }
  const auto maps = [&](int64_t channels) {
    return torch::rand({kStepBatch, channels, shape.layer_side, shape.layer_side}, generator);
  };
  const at::Tensor input = maps(shape.layer_in) * 0.5, target = maps(shape.layer_out);
  return {.model = std::make_shared<SpikingWorkload>(std::move(it), shape.layer),
          .inputs = {{"x", x}},
          .train_inputs = {{"input", input}, {"target", target}},
          .loss = [](const TensorMap& outputs, const TensorMap&) { return outputs.at("loss"); },
          .optimizer = {{"name", "adam"}, {"lr", 1e-5}},
          .remarks = {{"remark", fmt::format("{:.1f} % of neurons fire", rate)}}};
}

/// The same network with other thresholds, forward alone.
std::vector<WorkloadVariant> by_rate(const Shape& shape) {
  std::vector<WorkloadVariant> list;
  for (const auto& [name, thresholds] :
       {std::pair{"v_quarter", 0.25}, {"v_half", 0.5}, {"v_2", 2.0}, {"v_4", 4.0}, {"v_8", 8.0}}) {
    list.push_back({.name = name, .make = [shape, thresholds] {
                      WorkloadInstance instance = make(shape, thresholds);
                      instance.loss = {};
                      return instance;
                    }});
  }
  return list;
}

/// VGG-16 up to the pool behind its n-th convolution, and a classifier.
nn::Network vgg16_until(int64_t n) {
  std::vector<int64_t> plan;
  for (const int64_t width : nn::vgg_plan("vgg16")) {
    if (n == 0 && width != nn::kPool) break;
    if (width != nn::kPool) --n;
    plan.push_back(width);
  }
  return nn::vgg({.plan = plan});
}

WorkloadInstance make_pipeline(int64_t convolutions, bool again) {
  auto generator = at::detail::createCPUGenerator(0);
  const nn::Network network = vgg16_until(convolutions);
  return {.model = std::make_shared<PipelineWorkload>(
              nn::WeightedNetwork{
                  network, nn::draw_weights(network, nn::Initialisation::kFanOut, generator)},
              again),
          .inputs = {{"calib", torch::randn({kPipelineBatches, kBatch, 3, 32, 32}, generator)}}};
}

Workload pipeline(int64_t convolutions) {
  const std::string name = "light_vgg16_c" + std::to_string(convolutions);
  // The search runs the source on every batch; the sweep runs it, and all steps, on the first.
  const int64_t passes = kPipelineBatches + 1 + PipelineWorkload::kPipelineSteps;
  return {.name = name,
          .summary =
              fmt::format("conversion, MMSE thresholds and calibrated biases of the first {} "
                          "convolutions of vgg16, {} batches of {} images, {} steps",
                          convolutions, kPipelineBatches, kBatch, PipelineWorkload::kPipelineSteps),
          .forward_flops = static_cast<double>(nn::cost(vgg16_until(convolutions)).ops) *
                           static_cast<double>(kBatch * passes),
          .make = [convolutions] { return make_pipeline(convolutions, false); },
          .peer_script = "snn_calibration.py",
          .peer_arguments = {{"--workload", name}},
          .variants = {{.name = "layer_by_layer",
                        .make = [convolutions] { return make_pipeline(convolutions, true); }}}};
}

Workload spiking(const Shape& shape) {
  const nn::NetworkCost cost = nn::cost(nn::networks().at(shape.network).make());
  const auto area = static_cast<double>(kStepBatch * shape.layer_side * shape.layer_side);
  const double step = 2 * 2 * 9 * static_cast<double>(shape.layer_in * shape.layer_out) * area;
  return {
      .name = shape.name,
      .summary = shape.network + ", batch " + std::to_string(kBatch) + ", " +
                 std::to_string(shape.steps) + " steps; weight calibration of " + shape.layer,
      .forward_flops = static_cast<double>(cost.ops) * static_cast<double>(kBatch * shape.steps),
      .train_step_flops = step,
      .make = [shape] { return make(shape); },
      .peer_script = "snn_calibration.py",
      .peer_arguments = {{"--workload", shape.name}, {"--workload", shape.name, "--compile"}},
      .variants = by_rate(shape)};
}

}  // namespace

std::vector<Workload> workloads() {
  std::vector<Workload> list = {
      spiking({"vgg16_t16", "vgg16", "features.24", 16, 256, 512, 4}),
      spiking({"resnet20_t8", "resnet20_wide", "layer2.1.conv1", 8, 128, 128, 16})};
  const double elements = 32 * 64 * 32 * 32;
  list.push_back(
      {.name = "mmse_search",
       .summary = "layer-wise and channel-wise threshold search of 32x64x32x32, 16 steps",
       .forward_flops = 2 * elements * static_cast<double>(ops::kThresholdCandidates) * 6,
       .forward_bytes = 2 * elements * 4,
       .make =
           [] {
             auto generator = at::detail::createCPUGenerator(0);
             return WorkloadInstance{
                 .model = std::make_shared<SearchWorkload>(kSearchSteps),
                 .inputs = {{"activation", torch::relu(torch::randn({32, 64, 32, 32}, generator))}},
                 .loss = [](const TensorMap& outputs,
                            const TensorMap&) { return outputs.at("loss"); },
                 .optimizer = {{"name", "adam"}, {"lr", 1e-5}}};
           },
       .peer_script = "snn_calibration.py",
       .peer_arguments = {{"--workload", "mmse_search"},
                          {"--workload", "mmse_search", "--compile"}}});
  for (const int64_t convolutions : {4, 7, 10, 13}) list.push_back(pipeline(convolutions));
  return list;
}

}  // namespace tessera::snn_calibration
