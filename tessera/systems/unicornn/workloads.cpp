#include "tessera/systems/unicornn/workloads.h"

#include <torch/types.h>

#include "tessera/systems/unicornn/model.h"

namespace tessera::unicornn {
namespace {

struct Shape {
  int64_t steps, batch, in, width, layers, classes;
  Json dt;
  double alpha, dropout;

  /// Least work of a forward: the products, and seven operations and a tanh (counted as one) for
  /// each neuron and step.
  double forward_flops() const {
    const double rows = static_cast<double>(steps * batch);
    const double maps = static_cast<double>(width * (in + (layers - 1) * width));
    return 2 * rows * maps + 8 * rows * static_cast<double>(width * layers);
  }
};

WorkloadInstance instance(const Shape& shape) {
  UnicornnConfig config;
  config.input_dim = shape.in;
  config.hidden_dim = shape.width;
  config.num_layers = shape.layers;
  config.num_classes = shape.classes;
  config.dt = shape.dt;
  config.alpha = shape.alpha;
  config.dropout = shape.dropout;
  config.batch_first = false;
  torch::manual_seed(0);
  auto generator = at::detail::createCPUGenerator(0);
  return {.model = make_model(config),
          .inputs = {{"x", torch::randn({shape.steps, shape.batch, shape.in}, generator)},
                     {"y", torch::randint(shape.classes, {shape.batch}, generator,
                                          torch::dtype(torch::kLong))}},
          .loss =
              [](const TensorMap& outputs, const TensorMap& inputs) {
                return at::cross_entropy_loss(outputs.at("logits"), inputs.at("y"));
              },
          .optimizer = {{"name", "adam"}, {"lr", 1e-3}}};
}

Workload workload(std::string name, std::string summary, const Shape& shape) {
  return {.name = name,
          .summary = std::move(summary),
          .forward_flops = shape.forward_flops(),
          // Backward: the gradient by the input and by the weight of every product.
          .train_step_flops = 3 * shape.forward_flops(),
          .make = [shape] { return instance(shape); },
          .peer_script = "unicornn.py",
          .peer_arguments = {{"--workload", name, "--model", "jit"},
                             {"--workload", name, "--model", "lstm"}}};
}

}  // namespace

std::vector<Workload> workloads() {
  return {workload("psmnist", "784 pixels, batch 32, 3 layers of 256",
                   {784, 32, 1, 256, 3, 10, 0.19, 30.65, 0.1}),
          workload("noisy_cifar", "1000 rows of 96, batch 30, 3 layers of 128",
                   {1000, 30, 96, 128, 3, 10, 0.126, 13, 0.1}),
          workload("eigenworms", "17,984 steps of 6, batch 8, 2 layers of 32",
                   {17984, 8, 6, 32, 2, 5, Json::array({2.81e-5, 0.0343}), 0, 0})};
}

}  // namespace tessera::unicornn
