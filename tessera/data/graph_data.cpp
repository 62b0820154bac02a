#include "tessera/data/graph_data.h"

#include <ATen/ATen.h>

#include "tessera/core/error.h"

namespace tessera::data {
namespace {

[[noreturn]] void bad_graph(const std::string& where, const std::string& rule,
                            const std::string& got) {
  fail<BadFile>({.where = where, .rule = rule, .got = got, .id = "T-GRAPH-01"});
}

void check_range(const std::string& where, const at::Tensor& values, int64_t end,
                 const std::string& name) {
  if (values.numel() == 0) return;
  const auto [low, high] = values.aminmax();
  const int64_t least = low.item<int64_t>(), most = high.item<int64_t>();
  if (least >= 0 && most < end) return;
  bad_graph(where, name + " must lie in [0, " + std::to_string(end) + ")",
            std::to_string(least < 0 ? least : most));
}

}  // namespace

at::Tensor row_normalized(const at::Tensor& features) {
  const at::Tensor sum = features.sum(1, /*keepdim=*/true);
  return features / at::where(sum == 0, at::ones_like(sum), sum);
}

at::Tensor undirected(const at::Tensor& edges, int64_t num_nodes) {
  const at::Tensor both =
      at::cat({edges[0] * num_nodes + edges[1], edges[1] * num_nodes + edges[0]});
  const at::Tensor keys = std::get<0>(at::_unique(both, /*sorted=*/true));
  const int64_t n = std::max<int64_t>(num_nodes, 1);
  return at::stack({keys.div(n, "floor"), keys.remainder(n)});
}

at::Tensor with_self_loops(const at::Tensor& edges, int64_t num_nodes) {
  const at::Tensor nodes = at::arange(num_nodes, edges.options());
  return at::cat({edges, at::stack({nodes, nodes})}, 1);
}

void check_graph(const GraphData& graph, const std::string& where) {
  const int64_t nodes = graph.num_nodes();
  if (!graph.features.isfinite().all().item<bool>())
    bad_graph(where, "features must be finite", "others");
  check_range(where, graph.edges, nodes, "edges");
  const at::Tensor keys = graph.edges[0] * nodes + graph.edges[1];
  if (std::get<0>(at::_unique(keys)).numel() != keys.numel()) {
    bad_graph(where, "an edge must be listed once", "a duplicate");
  }
  if (graph.labels.size(0) != nodes) {
    bad_graph(where, "every one of the " + std::to_string(nodes) + " nodes must have a label",
              std::to_string(graph.labels.size(0)));
  }
  check_range(where, graph.labels, std::numeric_limits<int64_t>::max(), "labels");
  if (graph.train.numel() == 0) bad_graph(where, "the split must have training nodes", "none");
  const std::pair<const char*, const at::Tensor*> parts[] = {
      {"training nodes", &graph.train},
      {"validation nodes", &graph.validation},
      {"test nodes", &graph.test}};
  for (const auto& [name, nodes_of] : parts) check_range(where, *nodes_of, nodes, name);
  const at::Tensor split = at::cat({graph.train, graph.validation, graph.test});
  if (std::get<0>(at::_unique(split)).numel() != split.numel()) {
    bad_graph(where, "a node must lie in one part of the split", "one in two");
  }
}

}  // namespace tessera::data
