#include "tessera/systems/egnn/graph_sets.h"

#include <gtest/gtest.h>

#include "tessera/core/error.h"

namespace tessera::egnn {
namespace {

double density_percent(const std::vector<UndirectedGraph>& graphs) {
  double edges = 0, pairs = 0;
  for (const UndirectedGraph& graph : graphs) {
    edges += static_cast<double>(graph.num_edges());
    pairs += static_cast<double>(graph.num_nodes() * (graph.num_nodes() - 1));
  }
  return 100 * edges / pairs;
}

TEST(GraphSets, test_splits_have_the_densities_of_the_papers_baseline) {
  EXPECT_NEAR(density_percent(make_graphs("community_test")), 31.79, 0.005);
  EXPECT_NEAR(density_percent(make_graphs("erdos_renyi_0.25_test")), 25.11, 0.005);
}

TEST(GraphSets, sizes_are_the_authors) {
  EXPECT_EQ(make_graphs("erdos_renyi_0.25_train").size(), 5000u);
  EXPECT_EQ(make_graphs("community_val").size(), 500u);
  EXPECT_EQ(make_graphs("community_overfit").size(), 100u);
}

TEST(GraphSets, communities_are_connected) {
  for (const UndirectedGraph& graph : make_graphs("community_overfit")) {
    std::vector<int64_t> reached = {0};
    std::vector<bool> is_reached(static_cast<size_t>(graph.num_nodes()));
    is_reached[0] = true;
    for (size_t k = 0; k < reached.size(); ++k) {
      for (int64_t next = 0; next < graph.num_nodes(); ++next) {
        if (graph.has_edge(reached[k], next) && !is_reached[static_cast<size_t>(next)]) {
          is_reached[static_cast<size_t>(next)] = true;
          reached.push_back(next);
        }
      }
    }
    EXPECT_EQ(static_cast<int64_t>(reached.size()), graph.num_nodes());
  }
}

TEST(GraphSets, cycles_have_two_neighbours_everywhere) {
  const auto graphs = make_graphs("cycles");
  ASSERT_EQ(graphs.size(), 7u);
  EXPECT_NEAR(density_percent(graphs), 100. * 98 / 322, 1e-12);
  for (const UndirectedGraph& graph : graphs) EXPECT_EQ(graph.num_edges(), 2 * graph.num_nodes());
}

TEST(GraphSets, other_names_are_refused) {
  for (const std::string name : {"", "community", "community_valid", "erdos_renyi_test",
                                 "erdos_renyi__test", "erdos_renyi_1.5_test", "cycles_test"}) {
    EXPECT_THROW(make_graphs(name), InvalidArgument) << name;
  }
}

}  // namespace
}  // namespace tessera::egnn
