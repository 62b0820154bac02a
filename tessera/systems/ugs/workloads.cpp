#include "tessera/systems/ugs/workloads.h"

#include <fmt/format.h>
#include <torch/types.h>

#include "tessera/ops/sparse_matrix.h"
#include "tessera/systems/ugs/search.h"

namespace tessera::ugs {
namespace {

struct Shape {
  std::string name;
  int64_t nodes, undirected, features, draws, classes, labelled;
  std::string model = "gcn";
  bool trains_masks = true;
  int64_t hidden = 512;

  /// x Wᵀ, and P at both widths: multiplications and additions.
  double forward_flops() const {
    const auto links = static_cast<double>(2 * undirected + nodes);
    const auto columns = static_cast<double>(hidden + classes);
    return 2.0 * static_cast<double>(draws * hidden) + 2.0 * links * columns +
           2.0 * static_cast<double>(nodes * hidden * classes);
  }

  /// Of float32: what passes between memory and the processor where each array is read or written
  /// once in every pass that needs it. Edges and non-zeros are an index and a value.
  double hidden_bytes() const { return 4.0 * static_cast<double>(nodes * hidden); }
  double weight_bytes() const { return 4.0 * static_cast<double>(features * hidden); }
  double list_bytes() const { return 12.0 * static_cast<double>(2 * undirected + draws); }
  /// W; x Wᵀ and h = dropout(relu(P x Wᵀ)), written and read.
  double forward_bytes() const { return weight_bytes() + 4 * hidden_bytes() + list_bytes(); }
  /// Also: h and d_h, d_h and x Wᵀ for the masks of edges, d(x Wᵀ), each written and read where it
  /// is made; dŴ; and Adam, which reads the weights, their gradient and averages and writes all but
  /// the gradient, and the new product.
  double train_step_bytes() const {
    const double update = trains_masks ? 15 : 9;
    return forward_bytes() + 6 * hidden_bytes() + (1 + update) * weight_bytes() + list_bytes();
  }
};

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> list = {
      {"cora_mask", 2708, 5278, 1433, 49216, 7, 140},
      {"citeseer_mask", 3327, 4552, 3703, 105165, 6, 120},
      {"cora_retrain", 2708, 5278, 1433, 49216, 7, 140, "gcn", false},
      {"gin_cora_mask", 2708, 5278, 1433, 49216, 7, 140, "gin"},
      {"pubmed_size_mask", 19717, 44324, 500, 988031, 3, 60},
      // Ten edges a node: the time is that of the edges.
      {"nodes_250k_mask", 250'000, 1'250'000, 128, 2'000'000, 8, 2500, "gcn", true, 64},
      {"nodes_500k_mask", 500'000, 2'500'000, 128, 4'000'000, 8, 5000, "gcn", true, 64},
      {"nodes_1m_mask", 1'000'000, 5'000'000, 128, 8'000'000, 8, 10000, "gcn", true, 64}};
  return list;
}

/// A random simple graph, both directions of its edges in row-major order.
at::Tensor random_edges(const Shape& shape, at::Generator& generator) {
  const auto unique = [](const at::Tensor& keys) { return std::get<0>(at::_unique(keys)); };
  at::Tensor keys = at::empty({0}, at::kLong);
  while (keys.numel() < shape.undirected) {
    const at::Tensor ends =
        torch::randint(shape.nodes, {2, 2 * shape.undirected}, generator, at::kLong);
    const at::Tensor drawn =
        at::minimum(ends[0], ends[1]) * shape.nodes + at::maximum(ends[0], ends[1]);
    keys = unique(at::cat({keys, drawn.masked_select(ends[0] != ends[1])}));
  }
  keys = keys.index_select(0, at::randperm(keys.numel(), generator, at::kLong))
             .narrow(0, 0, shape.undirected);
  const at::Tensor low = keys.div(shape.nodes, "floor"), high = keys.remainder(shape.nodes);
  const at::Tensor both =
      std::get<0>(at::cat({low * shape.nodes + high, high * shape.nodes + low}).sort());
  return at::stack({both.div(shape.nodes, "floor"), both.remainder(shape.nodes)});
}

/// Counts at random places, each row divided by its sum.
ops::SparseMatrix random_features(const Shape& shape, at::Generator& generator) {
  const auto draw = [&](int64_t end) {
    return torch::randint(end, {shape.draws}, generator, at::kLong);
  };
  const at::Tensor drawn = draw(shape.nodes) * shape.features + draw(shape.features);
  const auto [keys, inverse, counts] =
      at::_unique2(drawn, /*sorted=*/true, /*return_inverse=*/false, /*return_counts=*/true);
  const at::Tensor row = keys.div(shape.features, "floor"), value = counts.to(at::kFloat);
  const at::Tensor sums = at::zeros({shape.nodes}).index_add(0, row, value);
  const at::Tensor ends = at::bincount(row, {}, shape.nodes).cumsum(0);
  return ops::compress(at::cat({at::zeros({1}, at::kLong), ends}), keys.remainder(shape.features),
                       value / sums.index_select(0, row), shape.features);
}

WorkloadInstance instance(const Shape& shape) {
  torch::manual_seed(0);
  auto generator = at::detail::createCPUGenerator(0);
  UgsConfig config;
  config.model = shape.model;
  config.dims = {shape.features, shape.hidden, shape.classes};
  config.num_nodes = shape.nodes;
  config.num_edges = 2 * shape.undirected;
  config.search = shape.trains_masks ? "masks" : "none";
  config.graph_l1 = config.weight_l1 = 1e-2;

  const at::Tensor edges = random_edges(shape, generator);
  const ops::SparseMatrix rows = random_features(shape, generator);
  const TensorMap inputs = {{"x_indptr", rows.row_ptr},
                            {"x_columns", rows.col},
                            {"x_values", rows.value},
                            {"edge_index", edges}};
  TensorMap train_inputs = inputs;
  train_inputs.set("target", torch::randint(shape.classes, {shape.nodes}, generator, at::kLong));
  return {.model = make_model(config),
          .inputs = inputs,
          .train_inputs = train_inputs,
          .loss =
              [labelled = shape.labelled](const TensorMap& outputs, const TensorMap& given) {
                return at::cross_entropy_loss(outputs.at("logits").narrow(0, 0, labelled),
                                              given.at("target").narrow(0, 0, labelled));
              },
          .optimizer = {{"name", "adam"}, {"lr", 8e-3}, {"weight_decay", 8e-5}}};
}

}  // namespace

std::vector<Workload> workloads() {
  std::vector<Workload> list;
  for (const Shape& shape : shapes()) {
    // The authors' adjacency of PubMed's size does not fit; the largest graphs have no peer.
    std::vector<std::vector<std::string>> peers;
    if (shape.nodes < 100'000) peers.push_back({"--workload", shape.name, "--impl", "torch"});
    if (shape.nodes < 10'000) peers.push_back({"--workload", shape.name, "--impl", "authors"});
    list.push_back(
        {.name = shape.name,
         .summary = fmt::format("{}, {} nodes, {} edges, {}-{}-{}, masks {}", shape.model,
                                shape.nodes, 2 * shape.undirected, shape.features, shape.hidden,
                                shape.classes, shape.trains_masks ? "trained" : "frozen"),
         .forward_flops = shape.forward_flops(),
         .train_step_flops = 3 * shape.forward_flops(),
         .forward_bytes = shape.forward_bytes(),
         .train_step_bytes = shape.train_step_bytes(),
         .make = [shape] { return instance(shape); },
         .peer_script = "ugs.py",
         .peer_arguments = peers});
  }
  return list;
}

}  // namespace tessera::ugs
