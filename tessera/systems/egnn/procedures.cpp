#include "tessera/systems/egnn/procedures.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "tessera/core/error.h"
#include "tessera/core/rng.h"
#include "tessera/systems/egnn/complete_edges.h"
#include "tessera/systems/egnn/graph_sets.h"
#include "tessera/systems/egnn/model.h"
#include "tessera/systems/egnn/molecules.h"
#include "tessera/systems/egnn/simulator.h"

namespace tessera::egnn {
namespace {

std::vector<double> to_vector(const at::Tensor& tensor, int64_t expected, const std::string& name) {
  const at::Tensor values = tensor.to(at::kDouble).contiguous();
  if (values.numel() != expected) {
    fail<InvalidArgument>({.where = "simulate",
                           .rule = name + " must hold " + std::to_string(expected) + " numbers",
                           .got = std::to_string(values.numel()),
                           .id = "T-EGNN-49"});
  }
  const double* data = values.const_data_ptr<double>();
  return {data, data + values.numel()};
}

at::Tensor to_tensor(const std::vector<double>& values, at::IntArrayRef shape) {
  return at::tensor(values, at::kDouble).view(shape);
}

/// The fields of `config` that `values` has. A case's configuration may say more (its seed,
/// remarks).
void read_known_fields(Config& config, const Json& values) {
  Json known = Json::object();
  FieldList list;
  config.fields(list);
  for (const Field& field : list.fields()) {
    if (values.contains(field.name)) known[field.name] = values[field.name];
  }
  read_config(config, known);
}

/// Given draws replace those of the stream.
void replace_draws(Start& start, const TensorMap& inputs, const std::string& suffix, int64_t n) {
  const auto replace = [&](const std::string& name, int64_t count, std::vector<double>& values) {
    if (const at::Tensor* given = inputs.find(name + suffix)) {
      values = to_vector(*given, count, name + suffix);
    }
  };
  replace("raw_loc", 3 * n, start.raw_loc);
  replace("raw_vel", 3 * n, start.raw_vel);
  replace("edges", n * n, start.edges);
  if (inputs.contains("charges" + suffix)) {
    replace("charges", n, start.charges);
    start.edges = charge_products(start.charges);
  }
}

TensorMap simulate(const Json& config, const TensorMap& inputs) {
  SimulatorConfig simulator_config;
  read_known_fields(simulator_config, config);
  const Simulator simulator(simulator_config);
  const int64_t n = simulator_config.num_particles, frames = simulator_config.num_frames();
  data::NumpyRandom random(config.value("numpy_seed", uint32_t{0}));

  int64_t count = 0;
  while (inputs.contains("raw_loc_" + std::to_string(count))) ++count;
  count = config.value("num_trajectories", std::max<int64_t>(count, 1));

  TensorMap outputs;
  for (int64_t k = 0; k < count; ++k) {
    const std::string suffix = "_" + std::to_string(k);
    Start start = simulator.draw(random);
    replace_draws(start, inputs, suffix, n);
    const Trajectory trajectory = simulator.run(start);
    outputs.set("loc" + suffix, to_tensor(trajectory.loc, {frames, 3, n}));
    outputs.set("vel" + suffix, to_tensor(trajectory.vel, {frames, 3, n}));
    outputs.set("edges" + suffix, to_tensor(start.edges, {n, n}));
    outputs.set("energy" + suffix, to_tensor(simulator.energy(trajectory, start.edges), {frames}));
    if (simulator_config.is_charged()) {
      outputs.set("charges" + suffix, to_tensor(start.charges, {n, 1}));
    }
  }
  return outputs;
}

/// Totals of each set and its first graphs, padded to the largest community.
TensorMap graph_datasets(const Json& config, const TensorMap&) {
  constexpr int64_t kPadded = 20;
  TensorMap outputs;
  for (const std::string name : config.at("datasets")) {
    const std::vector<UndirectedGraph> graphs = make_graphs(name);
    // The cases show 8 graphs of the sets to overfit, 12 of the others.
    const size_t shown = std::min<size_t>(graphs.size(), name.ends_with("_overfit") ? 8 : 12);
    const at::Tensor adj = at::zeros({static_cast<int64_t>(shown), kPadded, kPadded}, at::kByte);
    const at::Tensor num_nodes = at::empty({static_cast<int64_t>(shown)}, at::kLong);
    for (size_t g = 0; g < shown; ++g) {
      const int64_t n = graphs[g].num_nodes();
      const auto index = static_cast<int64_t>(g);
      num_nodes[index] = n;
      adj[index].narrow(0, 0, n).narrow(1, 0, n).copy_(
          at::tensor(at::ArrayRef<uint8_t>(graphs[g].adjacency())).view({n, n}));
    }
    int64_t total_nodes = 0, total_edges = 0;
    for (const UndirectedGraph& graph : graphs) {
      total_nodes += graph.num_nodes();
      total_edges += graph.num_edges();
    }
    outputs.set(name + "_adj", adj);
    outputs.set(name + "_num_nodes", num_nodes);
    outputs.set(name + "_num_graphs",
                at::full({1}, static_cast<int64_t>(graphs.size()), at::kLong));
    outputs.set(name + "_total_nodes", at::full({1}, total_nodes, at::kLong));
    outputs.set(name + "_total_edges", at::full({1}, total_edges, at::kLong));
  }
  return outputs;
}

TensorMap qm9_preprocess(const Json& config, const TensorMap& inputs) {
  const Molecules molecules{.charges = inputs.at("charges").to(at::kLong),
                            .positions = inputs.at("positions")};
  const auto species = config.at("species").get<std::vector<int64_t>>();
  check_species(molecules.charges, species);
  const at::Tensor features =
      charge_power_table(species, config.at("charge_power").get<int64_t>(),
                         config.at("max_charge").get<int64_t>(), molecules.positions.scalar_type());
  const CompleteEdges edges(CompleteEdges::Loops::kAll);
  const TensorMap batch = collate_molecules(molecules, features, edges);

  const int64_t size = molecules.charges.size(0);
  TensorMap outputs = {{"positions", batch.at("x").view({size, -1, 3})},
                       {"atom_mask", batch.at("node_mask").view({size, -1})},
                       {"edge_mask", batch.at("edge_mask")},
                       {"edge_index", batch.at("edge_index")},
                       {"node_features", batch.at("h")},
                       {"num_nodes", batch.at("num_nodes")}};
  if (const at::Tensor* labels = inputs.find("labels")) {
    const LabelScale scale = label_scale(*labels);
    outputs.set("mean", at::scalar_tensor(scale.mean, labels->options()));
    outputs.set("mad", at::scalar_tensor(scale.mad, labels->options()));
  }
  return outputs;
}

/// The parameters of each named model right after construction.
TensorMap init_from_seed(const Json& config, const TensorMap&) {
  TensorMap outputs;
  for (const auto& [name, values] : config.items()) {
    EgnnConfig model_config;
    Json fields = values;
    fields.erase("torch_seed");
    read_config(model_config, fields, name);
    seed_default_generators(values.at("torch_seed").get<uint64_t>());
    outputs.merge(weights_of(*make_model(model_config)).prefixed(name + "."));
  }
  return outputs;
}

}  // namespace

std::vector<Procedure> procedures() {
  return {{.name = "simulate",
           .summary = "trajectories of charged particles or springs, from a seed or given draws",
           .run = simulate},
          {.name = "graph_datasets",
           .summary = "the random graphs of the autoencoder's data sets",
           .run = graph_datasets},
          {.name = "qm9_preprocess",
           .summary = "padded molecules to features, masks, edges and label scale",
           .run = qm9_preprocess},
          {.name = "init_from_seed",
           .summary = "freshly drawn parameters of models",
           .run = init_from_seed}};
}

}  // namespace tessera::egnn
