#include "tessera/systems/egnn/workloads.h"

#include <torch/types.h>

#include "tessera/systems/egnn/model.h"

namespace tessera::egnn {
namespace {

// Multiply-adds count two. The least work after the first edge Linear is split into two node maps:
// per edge W2 (and C1 where coordinates move), per node the two maps of the split, φ_h and φ_v.
struct Cost {
  double edges, nodes, dim, layers;
  bool has_coords, has_velocity;

  double forward() const {
    const double square = 2 * dim * dim;
    const double edge_maps = has_coords ? 2 : 1;
    // The last layer of a network that returns coordinates needs no φ_h (three squares a node).
    const double node_maps = 2 + 3 + (has_velocity ? 1 : 0);
    const double unused = has_coords ? 3 * nodes * square : 0;
    return layers * square * (edges * edge_maps + nodes * node_maps) - unused;
  }
};

/// All ordered pairs of n nodes in each of `graphs` graphs, i ≠ j unless self pairs are asked for.
at::Tensor ordered_pairs(int64_t n, int64_t graphs, bool with_self) {
  const at::Tensor i = torch::arange(n).repeat_interleave(n);
  const at::Tensor j = torch::arange(n).repeat(n);
  at::Tensor pairs = torch::stack({i, j});
  if (!with_self) pairs = pairs.index({torch::indexing::Slice(), i != j});
  const at::Tensor offset = torch::arange(graphs).mul(n).view({1, graphs, 1});
  return (pairs.unsqueeze(1) + offset).reshape({2, -1});
}

std::shared_ptr<Model> seeded_model(const EgnnConfig& config) {
  torch::manual_seed(0);
  return make_model(config);
}

Json adam(double lr, double weight_decay) {
  return {{"name", "adam"}, {"lr", lr}, {"weight_decay", weight_decay}};
}

at::Tensor mse_of_x(const TensorMap& outputs, const TensorMap& inputs) {
  return at::mse_loss(outputs.at("x"), inputs.at("target"));
}

TensorMap nbody_batch() {
  constexpr int64_t kSystems = 100, kParticles = 5;
  auto generator = at::detail::createCPUGenerator(0);
  const auto randn = [&](int64_t rows, int64_t columns) {
    return torch::randn({rows, columns}, generator);
  };
  const at::Tensor edge_index = ordered_pairs(kParticles, kSystems, false);
  const int64_t nodes = kSystems * kParticles, edges = edge_index.size(1);
  const at::Tensor x = randn(nodes, 3), vel = randn(nodes, 3) * 0.3, target = randn(nodes, 3);
  const at::Tensor charges = torch::sign(randn(edges, 1));
  const at::Tensor d2 = (x.index_select(0, edge_index[0]) - x.index_select(0, edge_index[1]))
                            .pow(2)
                            .sum(1, /*keepdim=*/true);
  return {{"h", vel.norm(2, 1, /*keepdim=*/true)},
          {"x", x},
          {"vel", vel},
          {"edge_index", edge_index},
          {"edge_attr", torch::cat({charges, d2}, 1)},
          {"target", target}};
}

WorkloadInstance nbody() {
  EgnnConfig config = EgnnConfig::of("egnn_vel");
  config.edge_in_dim = 2;
  return {.model = seeded_model(config),
          .inputs = nbody_batch(),
          .loss = mse_of_x,
          .optimizer = adam(5e-4, 1e-12)};
}

WorkloadInstance nbody_gnn() {
  EgnnConfig config = EgnnConfig::of("gnn");
  config.node_in_dim = 6;
  config.edge_in_dim = 1;
  config.node_out_dim = 3;
  TensorMap inputs = nbody_batch();
  inputs.set("h", torch::cat({inputs.at("x"), inputs.at("vel")}, 1));
  inputs.set("edge_attr", inputs.at("edge_attr").narrow(1, 0, 1).contiguous());
  return {.model = seeded_model(config),
          .inputs = std::move(inputs),
          .loss = mse_of_x,
          .optimizer = adam(5e-4, 1e-12)};
}

WorkloadInstance nbody_rf() {
  EgnnConfig config = EgnnConfig::of("radial_field_vel");
  config.edge_in_dim = 2;
  return {.model = seeded_model(config),
          .inputs = nbody_batch(),
          .loss = mse_of_x,
          .optimizer = adam(5e-4, 1e-12)};
}

WorkloadInstance qm9() {
  constexpr int64_t kMolecules = 96, kSlots = 20, kAtoms = 18;
  EgnnConfig config = EgnnConfig::of("egnn_qm9");
  config.node_in_dim = 15;
  config.dim = 128;
  config.num_layers = 7;
  config.num_nodes = kSlots;
  auto generator = at::detail::createCPUGenerator(0);
  const at::Tensor h = torch::randn({kMolecules * kSlots, 15}, generator);
  const at::Tensor x = torch::randn({kMolecules * kSlots, 3}, generator) * 2;
  const at::Tensor target = torch::randn({kMolecules}, generator);
  const at::Tensor edge_index = ordered_pairs(kSlots, kMolecules, true);
  const at::Tensor node_mask = (torch::arange(kSlots) < kAtoms).repeat(kMolecules);
  const at::Tensor edge_mask = node_mask.index_select(0, edge_index[0]) &
                               node_mask.index_select(0, edge_index[1]) &
                               (edge_index[0] != edge_index[1]);
  return {.model = seeded_model(config),
          .inputs = {{"h", h},
                     {"x", x},
                     {"edge_index", edge_index},
                     {"node_mask", node_mask.unsqueeze(1)},
                     {"edge_mask", edge_mask.unsqueeze(1)},
                     {"target", target}},
          .loss =
              [](const TensorMap& outputs, const TensorMap& inputs) {
                return at::l1_loss(outputs.at("pred"), inputs.at("target"));
              },
          .optimizer = adam(5e-4, 1e-16)};
}

WorkloadInstance ae() {
  constexpr int64_t kNodes = 16;
  EgnnConfig config = EgnnConfig::of("egnn_ae");
  config.edge_in_dim = 1;
  auto generator = at::detail::createCPUGenerator(0);
  const at::Tensor upper =
      torch::triu((torch::rand({kNodes, kNodes}, generator) < 0.25).to(torch::kFloat), 1);
  const at::Tensor adj = upper + upper.t();
  const at::Tensor edge_index = ordered_pairs(kNodes, 1, false);
  const at::Tensor edge_attr = adj.index({edge_index[0], edge_index[1]}).unsqueeze(1).contiguous();
  // No noise_coords: the model draws them at every forward, as the peer does.
  return {.model = seeded_model(config),
          .inputs = {{"h", torch::ones({kNodes, 1})},
                     {"edge_index", edge_index},
                     {"edge_attr", edge_attr},
                     {"target", adj}},
          .loss =
              [](const TensorMap& outputs, const TensorMap& inputs) {
                return at::binary_cross_entropy(outputs.at("adj_pred"), inputs.at("target"), {},
                                                at::Reduction::Sum);
              },
          .optimizer = adam(1e-4, 1e-16)};
}

Workload workload(std::string name, std::string summary, double forward_flops,
                  std::function<WorkloadInstance()> make) {
  return {.name = name,
          .summary = std::move(summary),
          .forward_flops = forward_flops,
          // Backward: the gradient by the input and by the weight of every product.
          .train_step_flops = 3 * forward_flops,
          .make = std::move(make),
          .peer_script = "egnn.py",
          .peer_arguments = {{"--workload", name}, {"--workload", name, "--compile"}}};
}

}  // namespace

std::vector<Workload> workloads() {
  const Cost nbody_cost{2000, 500, 64, 4, true, true};
  const Cost gnn_cost{2000, 500, 64, 4, false, false};
  const Cost qm9_cost{29376, 1728, 128, 7, false, false};
  const Cost ae_cost{240, 16, 64, 4, true, false};
  return {
      workload("nbody", "egnn_vel, 100 systems of 5 particles, width 64, 4 layers",
               nbody_cost.forward(), nbody),
      workload("nbody_gnn", "gnn on the batch of nbody", gnn_cost.forward(), nbody_gnn),
      workload("nbody_rf", "radial_field_vel on the batch of nbody", 0, nbody_rf),
      workload("qm9", "egnn_qm9, 96 molecules of 18 atoms in 20 slots, width 128, 7 layers",
               qm9_cost.forward(), qm9),
      workload("ae", "egnn_ae, one graph of 16 nodes, width 64, 4 layers", ae_cost.forward(), ae),
  };
}

}  // namespace tessera::egnn
