#include "tessera/systems/zoo_tuning/workloads.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/types.h>

#include "tessera/nn/convnet/cost.h"
#include "tessera/systems/zoo_tuning/model.h"

namespace tessera::zoo_tuning {
namespace {

struct Shape {
  std::string name;  ///< the peer's
  Json config;
  int64_t samples, channels, size;
  const char* output;
};

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> kShapes = {
      {"layer3x3",
       {{"layer", "zoo_conv2d"}, {"in_channels", 64}, {"out_channels", 64}, {"padding", 1}},
       8,
       64,
       28,
       "y"},
      {"bottleneck",
       {{"block", "bottleneck"}, {"in_channels", 256}, {"width", 64}, {"downsample", false}},
       8,
       256,
       28,
       "y"},
      {"resnet50_56", {{"network", "resnet50"}, {"image_size", 56}}, 2, 3, 56, "features"}};
  return kShapes;
}

/// Multiply-adds of the aggregated convolutions for one sample, two operations each. The sums of
/// kernels and the gates are not counted: an implementation may do without most of them.
double operations(const Shape& shape) {
  if (shape.config.contains("layer")) {
    const double area = 9.0 * static_cast<double>(shape.size * shape.size);
    return 2 * 64 * 64 * area;
  }
  return static_cast<double>(nn::cost(feature_network(ZooConfig::of(shape.config))).ops);
}

/// E sources of every kernel, read once.
double source_bytes(const Shape& shape) {
  constexpr double kFloatBytes = 4, kSources = 5;
  if (shape.config.contains("layer")) return kFloatBytes * kSources * 64 * 64 * 9;
  const nn::NetworkCost cost = nn::cost(feature_network(ZooConfig::of(shape.config)));
  double elements = 0;
  for (const nn::LayerCost& layer : cost.layers) {
    elements += static_cast<double>(layer.weight_elements);
  }
  return kFloatBytes * kSources * elements;
}

WorkloadInstance make(const Shape& shape, const Json& config, int64_t samples) {
  torch::manual_seed(0);
  const auto model = make_model(ZooConfig::of(config));
  auto generator = at::detail::createCPUGenerator(0);
  const auto images = [&](int64_t count) {
    return torch::randn({count, shape.channels, shape.size, shape.size}, generator);
  };
  // A lite model has averages of gates once it has trained.
  if (config.value("lite", false)) model->run({{"x", images(2)}});
  const std::string output = shape.output;
  return {.model = model,
          .inputs = {{"x", images(samples)}},
          .train_inputs = {{"x", images(shape.samples)}},
          .loss = [output](const TensorMap& outputs,
                           const TensorMap&) { return outputs.at(output).pow(2).mean(); },
          .optimizer = {{"name", "sgd"},
                        {"lr", 1e-2},
                        {"momentum", 0.9},
                        {"nesterov", true},
                        {"weight_decay", 5e-4}}};
}

Workload workload(const Shape& shape, bool is_lite, int64_t samples) {
  Json config = shape.config;
  config["lite"] = is_lite;
  const bool is_one = samples != shape.samples;
  const double ops = operations(shape);
  Workload it{.name = shape.name + (is_lite ? "_lite" : "") + (is_one ? "_b1" : ""),
              .summary = shape.name + (is_lite ? ", lite" : "") + ", " + std::to_string(samples) +
                         " sample" + (samples == 1 ? "" : "s") + " forward",
              .forward_flops = ops * static_cast<double>(samples),
              .train_step_flops = 3 * ops * static_cast<double>(shape.samples),
              .forward_bytes = source_bytes(shape),
              .make = [shape, config, samples] { return make(shape, config, samples); }};
  if (is_one) return it;
  // The peer's script has no batch of its own.
  it.peer_script = "zoo_tuning.py";
  std::vector<std::string> arguments{"--workload", shape.name};
  if (is_lite) arguments.push_back("--lite");
  it.peer_arguments = {arguments};
  if (shape.name == "resnet50_56") return it;  // compiling it takes minutes
  arguments.push_back("--compile");
  it.peer_arguments.push_back(arguments);
  return it;
}

}  // namespace

std::vector<Workload> workloads() {
  std::vector<Workload> list;
  for (const Shape& shape : shapes()) {
    for (const bool is_lite : {false, true}) {
      list.push_back(workload(shape, is_lite, shape.samples));
      list.push_back(workload(shape, is_lite, 1));
    }
  }
  return list;
}

}  // namespace tessera::zoo_tuning
