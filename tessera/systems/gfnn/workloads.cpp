#include "tessera/systems/gfnn/workloads.h"

#include <fmt/format.h>
#include <torch/types.h>

#include <optional>

#include "tessera/systems/gfnn/grid_network.h"
#include "tessera/systems/gfnn/model.h"

namespace tessera::gfnn {
namespace {

struct Shape {
  int64_t batch;
  std::vector<int64_t> dims, sizes;
  Json periodic;

  /// Least work: 4 nodes an axis, a multiply-add for each of their parameters.
  double forward_flops() const {
    double active = 1;
    for (size_t k = 0; k < sizes.size(); ++k) active *= 4;
    return 2 * static_cast<double>(batch) * active * parameters();
  }
  /// Of one node.
  double parameters() const {
    double count = 0;
    for (size_t l = 0; l + 1 < dims.size(); ++l) {
      count += static_cast<double>(dims[l + 1] * (dims[l] + 1));
    }
    return count;
  }
};

/// What a forward reads of the grid: the parameters of every node that a sample blends.
Json reads_of(const Shape& shape, const at::Tensor& g, const GridNetwork& network) {
  const ops::NodeWeights n = ops::grid_weights(g, network.grid());
  const int64_t read = std::get<0>(at::_unique(n.index)).numel();
  const double megabytes = 4e-6 * shape.parameters() * static_cast<double>(read);
  return {{"nodes_read", read},
          {"parameters_read_mb", megabytes},
          {"remark", fmt::format("{} nodes read, {:.1f} MB", read, megabytes)}};
}

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
  const auto model = make_model(config);
  const at::Tensor x = torch::randn({shape.batch, config.in_dim}, generator);
  const at::Tensor g = torch::rand({shape.batch, axes}, generator);
  return {.model = model,
          .inputs = {{"x", x},
                     {"g", g},
                     {"target", torch::randn({shape.batch, config.out_dim}, generator)}},
          .loss =
              [](const TensorMap& outputs, const TensorMap& inputs) {
                return at::mse_loss(outputs.at("y"), inputs.at("target"));
              },
          .optimizer = {{"name", "adam"}, {"lr", 1e-3}},
          .remarks = reads_of(shape, g, dynamic_cast<const GridNetwork&>(*model))};
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
  // On the last of them hardly two samples share a node.
  all[1].variants = {on_nodes(animation, {8, 10}), on_nodes(animation, {16, 20}),
                     on_nodes(animation, {32, 40}), on_nodes(animation, {64, 80})};
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
