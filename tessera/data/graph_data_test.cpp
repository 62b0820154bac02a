#include "tessera/data/graph_data.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tessera/core/error.h"
#include "tessera/data/ogb_csv.h"
#include "tessera/data/planetoid.h"
#include "tessera/io/file.h"
#include "tessera/io/temporary_folder.h"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

const std::string kFixtures = std::string(TESSERA_SOURCE_DIR) + "/tests/data";

std::string real_data() {
  const char* root = std::getenv("TESSERA_DATA");
  return root == nullptr ? "" : root;
}

template <class E, class Body>
void expect_refused(const char* id, const std::string& text, const Body& body) {
  try {
    body();
    FAIL() << "not refused: " << text;
  } catch (const E& error) {
    EXPECT_EQ(error.id(), id) << error.what();
    EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
  }
}

// ---- Planetoid ----------------------------------------------------------------------------------

TEST(Planetoid, official_files_are_assembled_as_the_reference_does) {
  const GraphData graph = load_planetoid("tiny", kFixtures);
  ASSERT_EQ(graph.features.sizes(), at::IntArrayRef({510, 5}));
  for (const int64_t v : {0, 505, 506, 508, 509}) {
    EXPECT_EQ(graph.features[v].sum().item<float>(), 1.0f + static_cast<float>(v)) << v;
    EXPECT_EQ(graph.features[v][v % 5].item<float>(), 1.0f + static_cast<float>(v)) << v;
    EXPECT_EQ(graph.labels[v].item<int64_t>(), v % 2) << v;
  }
  EXPECT_EQ(graph.features[507].abs().sum().item<float>(), 0) << "a node that is left out";
  EXPECT_EQ(graph.labels[507].item<int64_t>(), 0);
  EXPECT_TRUE(at::equal(graph.train, at::arange(4, at::kLong)));
  EXPECT_TRUE(at::equal(graph.validation, at::arange(4, 504, at::kLong)));
  EXPECT_TRUE(at::equal(graph.test, at::tensor({506, 508, 509}, at::kLong)));
  const at::Tensor edges = at::tensor({0, 0, 0, 1, 2, 3, 508, 509, 509,  //
                                       1, 2, 509, 0, 0, 3, 509, 0, 508},
                                      at::kLong);
  EXPECT_TRUE(at::equal(graph.edges, edges.reshape({2, 9})));
}

/// The fixture with one file changed.
void expect_bad(const char* part, const std::string& content, const char* id,
                const std::string& text) {
  const io::TemporaryFolder root;
  fs::copy(kFixtures + "/planetoid", root / "planetoid");
  std::ofstream(root / "planetoid" + "/ind.tiny." + part, std::ios::binary) << content;
  expect_refused<BadFile>(id, text, [&] { load_planetoid("tiny", root.path()); });
}

TEST(Planetoid, files_that_do_not_belong_together_are_refused) {
  const auto other = [](const char* part) {
    return io::read_text(kFixtures + "/planetoid/ind.tiny." + part);
  };
  expect_bad("test.index", "509\n506\n", "T-PLAN-02", "3 nodes as ty has rows");
  expect_bad("test.index", "509\n506\n506\n", "T-PLAN-02", "a node once");
  expect_bad("test.index", "509\n506\n505\n", "T-PLAN-02", "nodes from 506");
  expect_bad("test.index", "509\n506\n99999999999\n", "T-PLAN-02", "few apart");
  expect_bad("test.index", "509\n506\nx\n", "T-CSV-01", "line 3");
  expect_bad("test.index", "506\n507\n508\n", "T-PLAN-02", "nodes below 509");
  expect_bad("x", other("tx"), "T-PLAN-02", "rows as y has");
  expect_bad("allx", other("tx"), "T-PLAN-02", "rows as ally has");
  expect_bad("y", other("x"), "T-PKL-10", "a NumPy array");
  expect_bad("graph", other("graph").substr(0, 900), "T-PKL-01", "cut short");
  expect_refused<Io>("T-PLAN-01", "tessera data get", [] { load_planetoid("none", kFixtures); });
}

TEST(Planetoid, citation_graphs_have_their_published_sizes) {
  if (!fs::exists(real_data() + "/planetoid/cora.safetensors")) {
    GTEST_SKIP() << "planetoid/cora.safetensors is not in $TESSERA_DATA";
  }
  const GraphData cora = load_planetoid("cora", real_data());
  EXPECT_EQ(cora.features.sizes(), at::IntArrayRef({2708, 1433}));
  EXPECT_EQ(cora.features.sum().item<double>(), 49216);
  EXPECT_EQ(cora.edges.size(1), 10556);
  EXPECT_TRUE(at::equal(at::bincount(cora.labels),
                        at::tensor({351, 217, 418, 818, 426, 298, 180}, at::kLong)));
  const GraphData citeseer = load_planetoid("citeseer", real_data());
  EXPECT_EQ(citeseer.features.sizes(), at::IntArrayRef({3327, 3703}));
  EXPECT_EQ(citeseer.edges.size(1), 9228);
  EXPECT_EQ((citeseer.edges[0] == citeseer.edges[1]).sum().item<int64_t>(), 124);
  const at::Tensor sums = row_normalized(citeseer.features).sum(1);
  EXPECT_EQ((sums == 0).sum().item<int64_t>(), 15);
  EXPECT_TRUE(at::allclose(sums.masked_select(sums != 0), at::ones({})));
}

TEST(Planetoid, official_files_and_safetensors_give_the_same_graph) {
  for (const char* name : {"cora", "citeseer"}) {
    const fs::path folder = fs::path(real_data()) / "planetoid";
    const std::string stem = std::string("ind.") + name + ".";
    if (!fs::exists(folder / (stem + "graph")) ||
        !fs::exists(folder / (std::string(name) + ".safetensors"))) {
      GTEST_SKIP() << "planetoid/ind." << name << ".* and .safetensors are not in $TESSERA_DATA";
    }
    const io::TemporaryFolder root;
    fs::create_directory(root / "planetoid");
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string file = entry.path().filename().string();
      if (file.starts_with(stem)) fs::copy(entry.path(), root / "planetoid" + "/" + file);
    }
    const GraphData a = load_planetoid(name, root.path()), b = load_planetoid(name, real_data());
    EXPECT_TRUE(at::equal(a.features, b.features)) << name;
    EXPECT_TRUE(at::equal(a.edges, b.edges)) << name;
    EXPECT_TRUE(at::equal(a.labels, b.labels)) << name;
    EXPECT_TRUE(at::equal(a.train, b.train)) << name;
    EXPECT_TRUE(at::equal(a.validation, b.validation)) << name;
    EXPECT_TRUE(at::equal(a.test, b.test)) << name;
  }
}

// ---- Open Graph Benchmark -----------------------------------------------------------------------

class OgbFolder {
 public:
  OgbFolder() {
    fs::create_directories(root_ / "raw");
    fs::create_directories(root_ / "split/time");
    write("raw/num-node-list.csv", "4\n");
    write("raw/edge.csv", "2,0\n0,1\n0,1\n");
    write("raw/node-feat.csv", "0.5,1\n-1,2e-3\n0,0\n7,8\n");
    write("raw/node-label.csv", "1\n0\n2\n1\n");
    write("split/time/train.csv", "3\n0\n");
    write("split/time/valid.csv", "1\n");
    write("split/time/test.csv", "2\n");
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(root_ / name, std::ios::binary) << text;
  }
  const std::string& path() const { return root_.path(); }

 private:
  io::TemporaryFolder root_;
};

TEST(Ogb, a_folder_of_tables_is_a_graph) {
  const OgbFolder folder;
  const GraphData graph = load_ogb_nodes(folder.path());
  EXPECT_TRUE(at::equal(graph.edges, at::tensor({0, 2, 1, 0}, at::kLong).reshape({2, 2})));
  EXPECT_TRUE(at::equal(graph.features,
                        at::tensor({0.5f, 1.f, -1.f, 2e-3f, 0.f, 0.f, 7.f, 8.f}).reshape({4, 2})));
  EXPECT_TRUE(at::equal(graph.labels, at::tensor({1, 0, 2, 1}, at::kLong)));
  EXPECT_TRUE(at::equal(graph.train, at::tensor({3, 0}, at::kLong)));
  EXPECT_TRUE(at::equal(load_ogb_nodes(folder.path(), "time").test, at::tensor({2}, at::kLong)));
  const at::Tensor both = undirected(graph.edges, 4);
  EXPECT_TRUE(at::equal(both, at::tensor({0, 0, 1, 2, 1, 2, 0, 0}, at::kLong).reshape({2, 4})));
  EXPECT_EQ(with_self_loops(both, 4).size(1), 8);
}

TEST(Ogb, labels_of_several_tasks_keep_their_columns) {
  const OgbFolder folder;
  folder.write("raw/node-label.csv", "0,1\n1,1\n0,0\n1,0\n");
  EXPECT_EQ(load_ogb_nodes(folder.path()).labels.sizes(), at::IntArrayRef({4, 2}));
}

TEST(Ogb, tables_that_do_not_fit_are_refused) {
  const auto expect_bad = [](const char* file, const char* text, const char* id,
                             const std::string& rule) {
    const OgbFolder folder;
    folder.write(file, text);
    expect_refused<BadFile>(id, rule, [&] { load_ogb_nodes(folder.path()); });
  };
  expect_bad("raw/num-node-list.csv", "4\n5\n", "T-OGB-02", "one graph");
  expect_bad("raw/edge.csv", "0,1,2\n", "T-OGB-02", "two nodes a line");
  expect_bad("raw/edge.csv", "0,4\n", "T-OGB-02", "nodes in [0, 4)");
  expect_bad("raw/edge.csv", "-1,0\n", "T-OGB-02", "nodes in [0, 4)");
  expect_bad("raw/edge.csv", "0,1\n2\n", "T-CSV-02", "line 2");
  expect_bad("raw/node-feat.csv", "1\n2\n", "T-OGB-02", "4 lines");
  expect_bad("raw/node-feat.csv", "1\nnan\n3\n4\n", "T-CSV-01", "finite");
  expect_bad("raw/node-label.csv", "0\n0\n", "T-GRAPH-01", "label");
  expect_bad("split/time/train.csv", "", "T-GRAPH-01", "training nodes");
  expect_bad("split/time/train.csv", "4\n", "T-GRAPH-01", "training nodes must lie in [0, 4)");
  expect_bad("split/time/train.csv", "0\n1\n", "T-GRAPH-01", "one part of the split");
  expect_bad("raw/node-feat.csv.gz", "\x1f\x8bgarbage", "T-GZ-02", "gzip");
  const OgbFolder folder;
  fs::create_directory(folder.path() + "/split/other");
  expect_refused<Io>("T-OGB-03", "2 folders", [&] { load_ogb_nodes(folder.path()); });
  expect_refused<Io>("T-OGB-01", "csv.gz", [&] { load_ogb_nodes(folder.path(), "other"); });
}

// ---- Links --------------------------------------------------------------------------------------

/// A ring of n nodes with chords, and a tail n … n+2 whose edges are bridges.
at::Tensor ring(int64_t n) {
  const at::Tensor v = at::arange(n, at::kLong);
  const at::Tensor next = at::stack({v, (v + 1).remainder(n)});
  const at::Tensor chord = at::stack({v, (v + 5).remainder(n)});
  const at::Tensor tail = at::tensor({int64_t{0}, n, n + 1, n, n + 1, n + 2}, at::kLong);
  return undirected(with_self_loops(at::cat({next, chord, tail.reshape({2, 3})}, 1), n), n + 3);
}

int64_t parts_of(const at::Tensor& edges, int64_t nodes) {
  std::vector<int64_t> root(nodes);
  for (int64_t v = 0; v < nodes; ++v) root[v] = v;
  const auto find = [&](int64_t v) {
    while (root[v] != v) v = root[v] = root[root[v]];
    return v;
  };
  const auto e = edges.accessor<int64_t, 2>();
  for (int64_t i = 0; i < edges.size(1); ++i) root[find(e[0][i])] = find(e[1][i]);
  int64_t parts = 0;
  for (int64_t v = 0; v < nodes; ++v) parts += root[v] == v;
  return parts;
}

TEST(LinkSplit, takes_edges_without_cutting_the_graph) {
  const int64_t nodes = 203;
  const at::Tensor edges = ring(200);
  const LinkSplit split = split_links(edges, nodes, at::detail::createCPUGenerator(1));
  const int64_t count = 403;
  EXPECT_EQ(split.test.size(1), count / 10);
  EXPECT_EQ(split.validation.size(1), count / 20);
  EXPECT_EQ(split.train.size(1), count - count / 10 - count / 20);
  EXPECT_EQ(parts_of(split.train, nodes), parts_of(edges, nodes));
  const at::Tensor all = at::cat({split.train, split.validation, split.test}, 1);
  EXPECT_TRUE((all[0] < all[1]).all().item<bool>());
  const at::Tensor loops = with_self_loops(all, 200);
  EXPECT_TRUE(at::equal(undirected(loops, nodes), edges)) << "the three parts are the whole graph";
  EXPECT_EQ(split.edges().size(1), 2 * split.train.size(1));
}

TEST(LinkSplit, non_edges_are_no_edges_and_differ) {
  const int64_t nodes = 203;
  const LinkSplit split = split_links(ring(200), nodes, at::detail::createCPUGenerator(2));
  EXPECT_EQ(split.test_none.size(1), split.test.size(1));
  EXPECT_EQ(split.validation_none.size(1), split.validation.size(1));
  EXPECT_EQ(split.train_none.size(1), split.train.size(1));
  const at::Tensor all = at::cat({split.train, split.validation, split.test, split.train_none,
                                  split.validation_none, split.test_none},
                                 1);
  EXPECT_TRUE((all[0] < all[1]).all().item<bool>());
  EXPECT_EQ(std::get<0>(at::_unique(all[0] * nodes + all[1])).numel(), all.size(1));
}

TEST(LinkSplit, a_tree_keeps_all_its_edges) {
  const at::Tensor v = at::arange(1, 60, at::kLong);
  const at::Tensor tree = at::stack({v.div(2, "floor"), v});
  const LinkSplit split = split_links(tree, 60, at::detail::createCPUGenerator(3));
  EXPECT_EQ(split.test.size(1), 0);
  EXPECT_EQ(split.validation.size(1), 0);
  EXPECT_EQ(split.train.size(1), 59);
}

TEST(LinkSplit, equal_seeds_give_equal_splits) {
  const auto split = [](uint64_t seed) {
    return split_links(ring(200), 203, at::detail::createCPUGenerator(seed));
  };
  EXPECT_TRUE(at::equal(split(7).test, split(7).test));
  EXPECT_TRUE(at::equal(split(7).train_none, split(7).train_none));
  EXPECT_FALSE(at::equal(split(7).test, split(8).test));
}

TEST(LinkSplit, refuses_what_cannot_be_split) {
  const auto generator = at::detail::createCPUGenerator(1);
  const at::Tensor edges = ring(20);
  expect_refused<InvalidArgument>("T-LINK-01", "sum is below 1",
                                  [&] { split_links(edges, 23, generator, 0.6, 0.4); });
  expect_refused<InvalidArgument>("T-LINK-01", "sum is below 1",
                                  [&] { split_links(edges, 23, generator, std::nan("")); });
  expect_refused<InvalidArgument>("T-LINK-01", "lie in [0, 20)",
                                  [&] { split_links(edges, 20, generator); });
  expect_refused<InvalidArgument>("T-LINK-01", "(2, E)",
                                  [&] { split_links(edges.t(), 23, generator); });
  const at::Tensor dense = at::ones({5, 5}, at::kLong).nonzero().t().contiguous();
  expect_refused<InvalidArgument>("T-LINK-02", "a quarter",
                                  [&] { split_links(dense, 5, generator); });
}

TEST(Cora, ships_with_the_library) {
  const GraphData graph = load_planetoid("cora", "/nowhere");
  EXPECT_EQ(graph.features.sizes(), at::IntArrayRef({2708, 1433}));
  EXPECT_EQ(graph.features.sum().item<double>(), 49216);
  EXPECT_EQ(graph.edges.size(1), 10556);
  EXPECT_EQ(graph.train.numel(), 140);
  EXPECT_EQ(graph.test.numel(), 1000);
  EXPECT_TRUE(at::equal(graph.labels.bincount(),
                        at::tensor({351, 217, 418, 818, 426, 298, 180}, at::kLong)));
  EXPECT_THROW(load_planetoid("citeseer", "/nowhere"), Io);
}

TEST(Cora, held_out_links_leave_the_graph_in_as_many_parts) {
  const GraphData graph = load_planetoid("cora", "/nowhere");
  const LinkSplit split =
      split_links(graph.edges, 2708, at::detail::createCPUGenerator(1), 0.1, 0.05);
  EXPECT_EQ(split.test.size(1), 527);
  EXPECT_EQ(split.validation.size(1), 263);
  EXPECT_EQ(split.test_none.size(1), 527);
  EXPECT_EQ(split.edges().size(1), 2 * (5278 - 527 - 263));
  // No node of Cora is alone, and none may become so.
  EXPECT_GT(split.edges()[0].bincount({}, 2708).min().item<int64_t>(), 0);
}

}  // namespace
}  // namespace tessera::data
