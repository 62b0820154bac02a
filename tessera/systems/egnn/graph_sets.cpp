#include "tessera/systems/egnn/graph_sets.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/data/reference_random.h"

namespace tessera::egnn {
namespace {

using data::NumpyRandom;
using data::PythonRandom;

constexpr int64_t kSmallestErdosRenyi = 7, kLargestErdosRenyi = 16;
constexpr int64_t kSmallestCommunity = 6, kLargestCommunity = 10;
constexpr double kWithinCommunity = 0.7, kBetweenCommunities = 0.01;

/// What the last word of a name stands for.
struct Part {
  std::string name;
  uint32_t seed;
  int64_t graphs;
};

const std::vector<Part> kParts = {
    {"train", 0, 5000}, {"val", 1, 500}, {"test", 2, 500}, {"overfit", 3, 100}};

/// G(n, p): every pair in lexicographic order is an edge with probability p.
void connect_at_random(UndirectedGraph& graph, int64_t begin, int64_t end, double p,
                       PythonRandom& random) {
  for (int64_t i = begin; i < end; ++i) {
    for (int64_t j = i + 1; j < end; ++j) {
      if (random.uniform() < p) graph.add_edge(i, j);
    }
  }
}

std::vector<UndirectedGraph> erdos_renyi(double p, const Part& part) {
  PythonRandom random(part.seed);
  std::vector<UndirectedGraph> graphs;
  while (static_cast<int64_t>(graphs.size()) < part.graphs) {
    for (int64_t n = kSmallestErdosRenyi; n <= kLargestErdosRenyi; ++n) {
      graphs.emplace_back(n);
      connect_at_random(graphs.back(), 0, n, p, random);
    }
  }
  random.shuffle(graphs);
  return graphs;
}

/// The nodes of each connected component, ascending; components in the order of their first nodes.
std::vector<std::vector<int64_t>> components(const UndirectedGraph& graph) {
  std::vector<std::vector<int64_t>> found;
  std::vector<bool> is_seen(static_cast<size_t>(graph.num_nodes()));
  for (int64_t first = 0; first < graph.num_nodes(); ++first) {
    if (is_seen[static_cast<size_t>(first)]) continue;
    is_seen[static_cast<size_t>(first)] = true;
    std::vector<int64_t> nodes = {first};
    for (size_t k = 0; k < nodes.size(); ++k) {
      for (int64_t next = 0; next < graph.num_nodes(); ++next) {
        if (!graph.has_edge(nodes[k], next) || is_seen[static_cast<size_t>(next)]) continue;
        is_seen[static_cast<size_t>(next)] = true;
        nodes.push_back(next);
      }
    }
    std::ranges::sort(nodes);
    found.push_back(std::move(nodes));
  }
  return found;
}

UndirectedGraph community(NumpyRandom& random) {
  constexpr uint64_t kSizes = kLargestCommunity - kSmallestCommunity + 1;
  const int64_t first = kSmallestCommunity + random.below(kSizes);
  const int64_t second = kSmallestCommunity + random.below(kSizes);
  UndirectedGraph graph(first + second);
  // The authors seed each community with its index: all communities of a size are one graph.
  PythonRandom inner_0(0), inner_1(1);
  connect_at_random(graph, 0, first, kWithinCommunity, inner_0);
  connect_at_random(graph, first, first + second, kWithinCommunity, inner_1);

  const auto parts = components(graph);
  for (size_t i = 0; i < parts.size(); ++i) {
    for (size_t j = i + 1; j < parts.size(); ++j) {
      bool is_joined = false;
      for (const int64_t a : parts[i]) {
        for (const int64_t b : parts[j]) {
          if (random.uniform() >= kBetweenCommunities) continue;
          graph.add_edge(a, b);
          is_joined = true;
        }
      }
      if (!is_joined) graph.add_edge(parts[i][0], parts[j][0]);
    }
  }
  return graph;
}

std::vector<UndirectedGraph> communities(const Part& part) {
  NumpyRandom random(part.seed);
  std::vector<UndirectedGraph> graphs;
  for (int64_t i = 0; i < part.graphs; ++i) graphs.push_back(community(random));
  return graphs;
}

std::vector<UndirectedGraph> cycles() {
  std::vector<UndirectedGraph> graphs;
  for (int64_t n = 4; n <= 10; ++n) {
    graphs.emplace_back(n);
    for (int64_t i = 0; i < n; ++i) graphs.back().add_edge(i, (i + 1) % n);
  }
  return graphs;
}

std::optional<double> read_probability(std::string_view text) {
  double p = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), p);
  if (error != std::errc() || end != text.data() + text.size() || !(p >= 0 && p <= 1)) return {};
  return p;
}

}  // namespace

int64_t UndirectedGraph::num_edges() const {
  return std::accumulate(adjacency_.begin(), adjacency_.end(), int64_t{0});
}

std::vector<UndirectedGraph> make_graphs(const std::string& name) {
  constexpr std::string_view kErdosRenyi = "erdos_renyi_", kCommunity = "community_";
  if (name == "cycles") return cycles();
  const std::string_view text = name;
  const size_t last = text.rfind('_');
  const auto part = last == text.npos
                        ? kParts.end()
                        : std::ranges::find(kParts, text.substr(last + 1), &Part::name);
  if (part != kParts.end()) {
    if (text.substr(0, last + 1) == kCommunity) return communities(*part);
    if (text.starts_with(kErdosRenyi) && last > kErdosRenyi.size()) {
      const auto p = read_probability(text.substr(kErdosRenyi.size(), last - kErdosRenyi.size()));
      if (p) return erdos_renyi(*p, *part);
    }
  }
  fail<InvalidArgument>({.where = "graph_datasets",
                         .rule = "a graph set is erdos_renyi_P_PART, community_PART (train, val, "
                                 "test, overfit) or cycles",
                         .got = "\"" + name + "\"",
                         .id = "T-EGNN-45"});
}

}  // namespace tessera::egnn
