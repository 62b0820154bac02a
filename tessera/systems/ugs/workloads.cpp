#include "tessera/systems/ugs/workloads.h"

#include <torch/types.h>

#include <set>

#include "tessera/ops/sparse_matrix.h"
#include "tessera/systems/ugs/search.h"

namespace tessera::ugs {
namespace {

constexpr int64_t kHidden = 512;

struct Shape {
  std::string name;
  int64_t nodes, undirected, features, draws, classes, labelled;
  std::string model = "gcn";
  bool trains_masks = true;

  /// x Wᵀ, and P at both widths: multiplications and additions.
  double forward_flops() const {
    const auto links = static_cast<double>(2 * undirected + nodes);
    const auto columns = static_cast<double>(kHidden + classes);
    return 2.0 * static_cast<double>(draws * kHidden) + 2.0 * links * columns +
           2.0 * static_cast<double>(nodes * kHidden * classes);
  }
};

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> list = {
      {"cora_mask", 2708, 5278, 1433, 49216, 7, 140},
      {"citeseer_mask", 3327, 4552, 3703, 105165, 6, 120},
      {"cora_retrain", 2708, 5278, 1433, 49216, 7, 140, "gcn", false},
      {"gin_cora_mask", 2708, 5278, 1433, 49216, 7, 140, "gin"},
      {"pubmed_size_mask", 19717, 44324, 500, 988031, 3, 60}};
  return list;
}

/// A random simple graph, both directions of its edges in row-major order.
at::Tensor random_edges(const Shape& shape, at::Generator& generator) {
  std::set<std::pair<int64_t, int64_t>> both;
  while (static_cast<int64_t>(both.size()) < 2 * shape.undirected) {
    const at::Tensor ends =
        torch::randint(shape.nodes, {shape.undirected, 2}, generator, at::kLong);
    const int64_t* end = ends.const_data_ptr<int64_t>();
    for (int64_t i = 0; i < shape.undirected; ++i, end += 2) {
      if (static_cast<int64_t>(both.size()) == 2 * shape.undirected) break;
      if (end[0] != end[1]) both.insert({{end[0], end[1]}, {end[1], end[0]}});
    }
  }
  std::vector<int64_t> from, to;
  for (const auto& [a, b] : both) from.push_back(a), to.push_back(b);
  return at::stack({at::tensor(from, at::kLong), at::tensor(to, at::kLong)});
}

WorkloadInstance instance(const Shape& shape) {
  torch::manual_seed(0);
  auto generator = at::detail::createCPUGenerator(0);
  UgsConfig config;
  config.model = shape.model;
  config.dims = {shape.features, kHidden, shape.classes};
  config.num_nodes = shape.nodes;
  config.num_edges = 2 * shape.undirected;
  config.search = shape.trains_masks ? "masks" : "none";
  config.graph_l1 = config.weight_l1 = 1e-2;

  const auto draw = [&](int64_t end, int64_t count) {
    return torch::randint(end, {count}, generator, at::kLong);
  };
  const at::Tensor edges = random_edges(shape, generator);
  at::Tensor x = at::zeros({shape.nodes, shape.features});
  x.index_put_({draw(shape.nodes, shape.draws), draw(shape.features, shape.draws)},
               at::ones({shape.draws}), /*accumulate=*/true);
  x /= x.sum(1, /*keepdim=*/true).clamp_min(1);
  const ops::SparseMatrix rows = ops::compress(x);
  const TensorMap inputs = {{"x_indptr", rows.row_ptr},
                            {"x_columns", rows.col},
                            {"x_values", rows.value},
                            {"edge_index", edges}};
  TensorMap train_inputs = inputs;
  train_inputs.set("target", draw(shape.classes, shape.nodes));
  return {.model = make_model(config),
          .inputs = inputs,
          .train_inputs = train_inputs,
          .loss =
              [labelled = shape.labelled](const TensorMap& outputs, const TensorMap& given) {
                const at::Tensor loss =
                    at::cross_entropy_loss(outputs.at("logits").narrow(0, 0, labelled),
                                           given.at("target").narrow(0, 0, labelled));
                const at::Tensor* l1 = outputs.find("l1");
                return l1 ? loss + *l1 : loss;
              },
          .optimizer = {{"name", "adam"}, {"lr", 8e-3}, {"weight_decay", 8e-5}}};
}

}  // namespace

std::vector<Workload> workloads() {
  std::vector<Workload> list;
  for (const Shape& shape : shapes()) {
    std::vector<std::vector<std::string>> peers = {{"--workload", shape.name, "--impl", "torch"}};
    // The authors' adjacency of PubMed's size does not fit.
    if (shape.nodes < 10000) peers.push_back({"--workload", shape.name, "--impl", "authors"});
    list.push_back({.name = shape.name,
                    .summary = shape.model + ", " + std::to_string(shape.nodes) + " nodes, " +
                               std::to_string(2 * shape.undirected) + " edges, " +
                               std::to_string(shape.features) + "-512-" +
                               std::to_string(shape.classes) +
                               (shape.trains_masks ? ", masks trained" : ", masks frozen"),
                    .forward_flops = shape.forward_flops(),
                    .train_step_flops = 3 * shape.forward_flops(),
                    .make = [shape] { return instance(shape); },
                    .peer_script = "ugs.py",
                    .peer_arguments = peers});
  }
  return list;
}

}  // namespace tessera::ugs
