#include "tessera/systems/gfnn/workloads.h"

#include <fmt/format.h>
#include <torch/types.h>

#include <optional>

#include "tessera/systems/gfnn/model.h"

namespace tessera::gfnn {
namespace {

struct Shape {
  int64_t batch;
  std::vector<int64_t> dims, sizes;
  Json periodic;

  /// Least work: 4 nodes an axis, a multiply-add for each of their parameters.
  double forward_flops() const {
    double parameters = 0, active = 1;
    for (size_t l = 0; l + 1 < dims.size(); ++l) {
      parameters += static_cast<double>(dims[l + 1] * (dims[l] + 1));
    }
    for (size_t k = 0; k < sizes.size(); ++k) active *= 4;
    return 2 * static_cast<double>(batch) * active * parameters;
  }
};

WorkloadInstance instance(const Shape& shape, std::optional<double> cache_reach = {}) {
  GfnnConfig config;
  config.cache_reach = cache_reach;
  config.in_dim = shape.dims.front();
  config.out_dim = shape.dims.back();
  config.hidden_dims = {shape.dims.begin() + 1, shape.dims.end() - 1};
  config.grid_sizes = shape.sizes;
  config.grid_periodic = shape.periodic;
  config.return_node_weights = false;
  torch::manual_seed(0);
  auto generator = at::detail::createCPUGenerator(0);
  const auto axes = static_cast<int64_t>(shape.sizes.size());
  return {.model = make_model(config),
          .inputs = {{"x", torch::randn({shape.batch, config.in_dim}, generator)},
                     {"g", torch::rand({shape.batch, axes}, generator)},
                     {"target", torch::randn({shape.batch, config.out_dim}, generator)}},
          .loss =
              [](const TensorMap& outputs, const TensorMap& inputs) {
                return at::mse_loss(outputs.at("y"), inputs.at("target"));
              },
          .optimizer = {{"name", "adam"}, {"lr", 1e-3}}};
}

Workload workload(const std::string& name, std::string summary, const Shape& shape) {
  return {.name = name,
          .summary = std::move(summary),
          .forward_flops = shape.forward_flops(),
          // Backward: the gradient by the input and by the weight of every product.
          .train_step_flops = 3 * shape.forward_flops(),
          .make = [shape] { return instance(shape); },
          .peer_script = "gfnn.py",
          .peer_arguments = {{"--workload", name}, {"--workload", name, "--compile"}}};
}

/// The forward of another grid, whose nodes are more and whose work is the same.
WorkloadVariant on_nodes(Shape shape, std::vector<int64_t> sizes) {
  shape.sizes = std::move(sizes);
  return {.name = fmt::format("{}x{}-nodes", shape.sizes[0], shape.sizes[1]), .make = [shape] {
            WorkloadInstance made = instance(shape);
            made.loss = {};
            return made;
          }};
}

}  // namespace

std::vector<Workload> workloads() {
  const std::vector<int64_t> pose = {128, 256, 256, 128};
  const Json periodic = Json::array({true, false});
  const Shape animation{32, pose, {4, 5}, periodic}, runtime{1, pose, {4, 5}, periodic};
  std::vector<Workload> all = {
      workload("surface", "2-32-32-1 on 6 x 6 nodes, batch 1024",
               {1024, {2, 32, 32, 1}, {6, 6}, Json::array({false, false})}),
      workload("animation", "128-256-256-128 on 4 (periodic) x 5 nodes, batch 32", animation),
      workload("runtime", "the same, one sample", runtime)};
  all[1].variants = {on_nodes(animation, {8, 10}), on_nodes(animation, {16, 20})};
  // A coordinate that stays in reach of the network that was blended last; grids of more nodes.
  all[2].variants = {on_nodes(runtime, {8, 10}),
                     on_nodes(runtime, {16, 20}),
                     {.name = "cached", .make = [runtime] {
                        WorkloadInstance made = instance(runtime, 0.1);
                        made.loss = {};
                        return made;
                      }}};
  return all;
}

}  // namespace tessera::gfnn
