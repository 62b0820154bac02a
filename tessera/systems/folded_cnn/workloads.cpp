#include "tessera/systems/folded_cnn/workloads.h"

#include <torch/types.h>

#include "tessera/nn/convnet/cost.h"
#include "tessera/systems/folded_cnn/model.h"

namespace tessera::folded_cnn {
namespace {

FoldedCnnConfig config_of(const WorkloadShape& shape, int64_t fold) {
  Json values = shape.config;
  values["fold"] = fold;
  return FoldedCnnConfig::of(values);
}

WorkloadInstance make(const WorkloadShape& shape, int64_t fold) {
  const FoldedCnnConfig config = config_of(shape, fold);
  torch::manual_seed(0);
  auto generator = at::detail::createCPUGenerator(0);
  const auto images = [&](int64_t count) {
    return torch::rand({count, config.in_channels, config.image_height, config.image_width},
                       generator);
  };
  const at::Tensor target =
      torch::randint(config.num_classes, {shape.train_images}, generator, at::kLong);
  return {.model = make_model(config),
          .inputs = {{"images", images(shape.forward_images)}},
          .train_inputs = {{"images", images(shape.train_images)}, {"target", target}},
          .loss = [](const TensorMap& outputs,
                     const TensorMap&) { return outputs.at("cross_entropy"); },
          .optimizer = {{"name", "adam"}, {"lr", 1e-4}, {"weight_decay", 1e-5}}};
}

Workload workload(const WorkloadShape& shape, int64_t fold) {
  const std::string name = shape.name + "_f" + std::to_string(fold);
  const nn::NetworkCost cost = nn::cost(network(config_of(shape, fold)));
  const auto inputs = [&](int64_t images) {
    return static_cast<double>(images) / static_cast<double>(fold);
  };
  // Backward: the gradient by the weights of every layer, and by the input of all but the first.
  const auto ops = static_cast<double>(cost.ops), first = static_cast<double>(cost.layers[0].ops);
  constexpr double kFloatBytes = 4;
  return {.name = name,
          .summary = shape.name + " at fold " + std::to_string(fold) + ", " +
                     std::to_string(shape.forward_images) + " images forward, " +
                     std::to_string(shape.train_images) + " in a training step",
          .forward_flops = ops * inputs(shape.forward_images),
          .train_step_flops = (3 * ops - first) * inputs(shape.train_images),
          .forward_bytes = nn::moved_bytes(cost, inputs(shape.forward_images), kFloatBytes),
          .make = [shape, fold] { return make(shape, fold); },
          .peer_script = "folded_cnn.py",
          .peer_arguments = {{"--workload", name}, {"--workload", name, "--compile"}}};
}

}  // namespace

const std::vector<WorkloadShape>& workload_shapes() {
  static const std::vector<WorkloadShape> shapes = {
      {"game", {{"preset", "lol/goldnumber-fraction"}}, 240, 48},
      {"taipei", {{"preset", "taipei"}}, 48, 24},
      {"resnet18", {{"arch", "folded_resnet18"}}, 12, 12}};
  return shapes;
}

std::vector<Workload> workloads() {
  std::vector<Workload> list;
  for (const WorkloadShape& shape : workload_shapes()) {
    for (int64_t fold = 1; fold <= 4; ++fold) list.push_back(workload(shape, fold));
  }
  return list;
}

}  // namespace tessera::folded_cnn
