#include "tessera/data/planetoid.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "tessera/core/error.h"
#include "tessera/core/json.h"
#include "tessera/core/paths.h"
#include "tessera/io/csv.h"
#include "tessera/io/file.h"
#include "tessera/io/planetoid_pickle.h"
#include "tessera/io/tensor_file.h"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kValidationNodes = 500;
/// Dense features of a graph of this size no longer fit into a usual machine.
constexpr int64_t kMaxElements = int64_t{1} << 33;

[[noreturn]] void bad_planetoid(const std::string& file, const std::string& rule,
                                const std::string& got) {
  fail<BadFile>({.where = "planetoid", .rule = file + " " + rule, .got = got, .id = "T-PLAN-02"});
}

/// Dense rows of float32, all zero.
at::Tensor make_features(int64_t nodes, int64_t features, const std::string& file) {
  if (features > 0 && nodes > kMaxElements / features) {
    bad_planetoid(file, "must have at most 2^33 features of nodes",
                  std::to_string(nodes) + " × " + std::to_string(features));
  }
  return at::zeros({nodes, features}, at::kFloat);
}

// ---- Safetensors --------------------------------------------------------------------------------

/// num_features of the metadata's stats; 0 where they do not say.
int64_t stated_features(const io::TensorFile& file) {
  const std::string* text = file.find_metadata("stats");
  if (text == nullptr) return 0;
  const Json stats = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!stats.is_object() || !stats.contains("num_features")) return 0;
  const Json& count = stats["num_features"];
  return count.is_number_integer() ? count.get<int64_t>() : 0;
}

/// feature_{indptr,indices,values}, edge_index, labels, {train,val,test}_idx. Integers of any
/// width; without values every feature is 1.
GraphData read_tensors(const std::string& path) {
  const io::TensorFile file = io::read_tensor_file(path, io::Storage::kCopied);
  const TensorMap& tensors = file.tensors;
  const auto integers = [&](const char* name, int64_t axes) {
    const at::Tensor* found = tensors.find(name);
    if (found == nullptr || !at::isIntegralType(found->scalar_type(), /*includeBool=*/false) ||
        found->dim() != axes) {
      bad_planetoid(
          path,
          std::string("must hold ") + name + " as integers of " + std::to_string(axes) + " axes",
          found == nullptr ? "nothing" : "another");
    }
    return found->to(at::kLong).contiguous();
  };
  GraphData graph;
  graph.labels = integers("labels", 1);
  graph.edges = integers("edge_index", 2);
  if (graph.edges.size(0) != 2) bad_planetoid(path, "must hold edge_index of two rows", "others");
  graph.train = integers("train_idx", 1);
  graph.validation = integers("val_idx", 1);
  graph.test = integers("test_idx", 1);

  const at::Tensor row_ptr = integers("feature_indptr", 1);
  const at::Tensor col = integers("feature_indices", 1);
  const at::Tensor* stored = tensors.find("feature_values");
  if (stored != nullptr && (stored->scalar_type() != at::kFloat || stored->dim() != 1)) {
    bad_planetoid(path, "must hold feature_values as float32 of one axis", "another");
  }
  const at::Tensor value = stored != nullptr ? stored->contiguous() : at::ones(col.sizes());
  const int64_t nodes = graph.labels.size(0), count = col.numel();
  const int64_t* begin = row_ptr.const_data_ptr<int64_t>();
  if (row_ptr.numel() != nodes + 1 || begin[0] != 0 || begin[nodes] != count ||
      value.numel() != count || !std::is_sorted(begin, begin + nodes + 1)) {
    bad_planetoid(path, "must hold feature rows that go from 0 to the number of values", "others");
  }
  if (count > 0 && col.min().item<int64_t>() < 0)
    bad_planetoid(path, "must hold columns from 0", "less");
  // The metadata know of features that no node has.
  const int64_t used = count == 0 ? 1 : col.max().item<int64_t>() + 1;
  const int64_t features = std::max(used, stated_features(file));
  graph.features = make_features(nodes, features, path);
  const at::Tensor row = at::repeat_interleave(row_ptr.diff());
  graph.features.index_put_({row, col}, value);
  return graph;
}

// ---- The official files -------------------------------------------------------------------------

class Parts {
 public:
  Parts(const fs::path& folder, const std::string& name)
      : stem_((folder / ("ind." + name)).string()) {}

  std::string path(const char* part) const { return stem_ + "." + part; }
  io::SparseRows rows(const char* part) const {
    const io::MappedFile file(path(part));
    return io::parse_sparse_pickle(file.bytes(), file.path());
  }
  io::IntegerTable table(const char* part) const {
    const io::MappedFile file(path(part));
    return io::parse_table_pickle(file.bytes(), file.path());
  }
  io::NeighbourLists graph() const {
    const io::MappedFile file(path("graph"));
    return io::parse_graph_pickle(file.bytes(), file.path());
  }
  std::vector<int64_t> test_index() const {
    const io::MappedFile file(path("test.index"));
    io::CsvTable<int64_t> table = io::parse_csv_integers(file.bytes(), file.path());
    if (table.rows == 0 || table.cols != 1)
      bad_planetoid(file.path(), "must hold a node a line", "others");
    return std::move(table.value);
  }

 private:
  std::string stem_;
};

void place_row(const io::SparseRows& from, int64_t row, float* to) {
  for (int64_t i = from.row_ptr[row]; i < from.row_ptr[row + 1]; ++i)
    to[from.col[i]] = from.value[i];
}

/// The class of a one-hot row: the place of its only 1.
int64_t class_of(const io::IntegerTable& table, int64_t row, const std::string& file) {
  const int64_t* begin = table.value.data() + row * table.cols;
  const auto is_other = [](int64_t value) { return value != 0 && value != 1; };
  if (std::any_of(begin, begin + table.cols, is_other) ||
      std::count(begin, begin + table.cols, 1) != 1) {
    bad_planetoid(file, "must hold one 1 a row, and zeros", "others in row " + std::to_string(row));
  }
  return std::find(begin, begin + table.cols, 1) - begin;
}

GraphData read_official(const fs::path& folder, const std::string& name) {
  const Parts parts(folder, name);
  const io::SparseRows x = parts.rows("x"), allx = parts.rows("allx"), tx = parts.rows("tx");
  const io::IntegerTable y = parts.table("y"), ally = parts.table("ally"), ty = parts.table("ty");
  const std::vector<int64_t> test = parts.test_index();

  const auto expect_same = [&](int64_t a, int64_t b, const char* part, const char* what) {
    if (a != b) {
      bad_planetoid(parts.path(part), "must have " + std::to_string(b) + " " + what,
                    std::to_string(a));
    }
  };
  expect_same(x.cols, allx.cols, "x", "features as allx has");
  expect_same(tx.cols, allx.cols, "tx", "features as allx has");
  expect_same(y.cols, ally.cols, "y", "classes as ally has");
  expect_same(ty.cols, ally.cols, "ty", "classes as ally has");
  expect_same(x.rows, y.rows, "x", "rows as y has");
  expect_same(allx.rows, ally.rows, "allx", "rows as ally has");
  expect_same(tx.rows, ty.rows, "tx", "rows as ty has");
  expect_same(static_cast<int64_t>(test.size()), ty.rows, "test.index", "nodes as ty has rows");

  const auto [least, most] = std::minmax_element(test.begin(), test.end());
  const int64_t first = ally.rows;
  if (*least < first || *most >= first + 2 * ty.rows + 1000) {
    bad_planetoid(parts.path("test.index"),
                  "must hold nodes from " + std::to_string(first) + " on, few apart",
                  std::to_string(*least < first ? *least : *most));
  }
  const int64_t nodes = *most + 1;
  if (y.rows + kValidationNodes > first) {
    bad_planetoid(parts.path("ally"),
                  "must have 500 rows for validation after the " + std::to_string(y.rows) + " of y",
                  std::to_string(first) + " in all");
  }

  GraphData graph;
  graph.features = make_features(nodes, allx.cols, parts.path("allx"));
  graph.labels = at::zeros({nodes}, at::kLong);
  float* features = graph.features.mutable_data_ptr<float>();
  int64_t* labels = graph.labels.mutable_data_ptr<int64_t>();
  for (int64_t r = 0; r < first; ++r) {
    place_row(allx, r, features + r * allx.cols);
    labels[r] = class_of(ally, r, parts.path("ally"));
  }
  std::vector<bool> is_test(nodes, false);
  for (int64_t r = 0; r < ty.rows; ++r) {
    if (is_test[test[r]]) {
      bad_planetoid(parts.path("test.index"), "must hold a node once",
                    std::to_string(test[r]) + " twice");
    }
    is_test[test[r]] = true;
    place_row(tx, r, features + test[r] * tx.cols);
    labels[test[r]] = class_of(ty, r, parts.path("ty"));
  }

  const io::NeighbourLists lists = parts.graph();
  std::vector<int64_t> sender, receiver;
  for (size_t i = 0; i < lists.node.size(); ++i) {
    for (int64_t k = lists.list_ptr[i]; k < lists.list_ptr[i + 1]; ++k) {
      const int64_t u = lists.node[i], v = lists.neighbour[k];
      if (u >= nodes || v >= nodes) {
        bad_planetoid(parts.path("graph"), "must hold nodes below " + std::to_string(nodes),
                      std::to_string(std::max(u, v)));
      }
      sender.push_back(u);
      receiver.push_back(v);
    }
  }
  graph.edges = undirected(
      at::stack({at::tensor(sender, at::kLong), at::tensor(receiver, at::kLong)}), nodes);
  graph.train = at::arange(y.rows, at::kLong);
  graph.validation = at::arange(y.rows, y.rows + kValidationNodes, at::kLong);
  graph.test = std::get<0>(at::tensor(test, at::kLong).sort());
  return graph;
}

/// A part of a graph; nothing is known of PubMed's allx.
struct KnownGraph {
  const char* part;
  const char* sha256;
  int64_t bytes;
};

DataSource source_of(const std::string& name, const std::string& summary,
                     const std::vector<KnownGraph>& parts) {
  DataSource source{.name = name,
                    .summary = summary,
                    .licence = "none stated (Z. Yang, W. Cohen, R. Salakhutdinov; LINQS)"};
  for (const KnownGraph& known : parts) {
    const std::string file = "ind." + name + "." + known.part;
    source.files.push_back(
        {.path = "planetoid/" + file,
         .url = "https://raw.githubusercontent.com/kimiyoung/planetoid/master/data/" + file,
         .sha256 = known.sha256,
         .bytes = known.bytes});
  }
  return source;
}

}  // namespace

GraphData load_planetoid(const std::string& name, const std::string& data_root) {
  const fs::path folder = fs::path(data_root) / "planetoid";
  const fs::path whole = folder / (name + ".safetensors"),
                 shipped = resource_path("share/" + name + "/" + name + ".safetensors");
  GraphData graph;
  if (fs::exists(whole)) {
    graph = read_tensors(whole.string());
  } else if (fs::exists(folder / ("ind." + name + ".graph"))) {
    graph = read_official(folder, name);
  } else if (fs::exists(shipped)) {
    graph = read_tensors(shipped.string());
  } else {
    fail<Io>({.where = "planetoid",
              .rule = "the files ind." + name + ".* must lie in " + folder.string(),
              .got = "none",
              .next = "`tessera data get " + name + "` fetches them (cora, citeseer, pubmed).",
              .id = "T-PLAN-01"});
  }
  check_graph(graph, "planetoid");
  return graph;
}

DataSource cora_source() {
  return source_of(
      "cora", "2,708 papers in 7 classes with 1,433 words and 5,278 citations",
      {{"x", "23cfa55d91c6f624233f5eb7b6e3f141f1bd2b2ae39608a63cf5d084bb27baab", 22119},
       {"tx", "b9afbaa4a400df991f6f02ef677e1e44da55ffc04801fd02f9e673987829226a", 148025},
       {"allx", "9419ba2f26f5c35243db64aba110e0f35a04851609e0dc5433450676ca6b8543", 257305},
       {"y", "94465c14eb53e04ca262198dcbb2521ee8af60fb3f3d546cd6ca24a511b0e7d1", 4054},
       {"ty", "41f5ac76596a1699cc33f53084a2419e92961c42bb75f36fc38e616d348532ad", 28135},
       {"ally", "2b998f5cc7fedc86e7f97ca2498f47a1ffc1462c29e2d578b23bf3f62b6e7d71", 47959},
       {"graph", "58f13302f39dde8852dad6fe6d15b89b077b6d7f837626bce671ef80344b383d", 59847},
       {"test.index", "297ce89af2b51a6a194181c7dbe1796c6a1cf9cd9349a88383b1b1e227867875", 5000}});
}

DataSource citeseer_source() {
  return source_of(
      "citeseer", "3,327 papers in 6 classes with 3,703 words and 4,552 citations",
      {{"x", "d20de19150741e555de0ed037195630fc194114ebc7fd72ced62810148aa22f6", 31087},
       {"tx", "539a8906a2da97628d212f2fdd668c109a8b3f0d36574b59e5d3fd5b5303da21", 260321},
       {"allx", "2ac30345d95c9ec933a817ee0bdd6a5f077f8c184a20e696910192d534414668", 595021},
       {"y", "8ba87e515d8e3ee3cf52f6d2c5b86aa73f11ecad825a808455209ec26cd54924", 3014},
       {"ty", "55e5bd1ba1e733a04598753ad1a8d57957f4b8f89e74519f41f4f4938767e4ce", 24135},
       {"ally", "f704b2d986dde6c2669934de1f3ae5696a6cf9455c0f6b2646a2d135ea0a1c95", 55623},
       {"graph", "d79a4ef9d3e7169aee8946145f6b7306e35bc79bffad26346cfb94e10e9912a7", 61987},
       {"test.index", "2af990671580b6b2df5d158d1038f8292e30c9cd821b5453f399659b25b723d4", 5000}});
}

DataSource pubmed_source() {
  return source_of(
      "pubmed", "19,717 papers in 3 classes with 500 words and 44,324 citations",
      {{"x", "fbe9cb5c47200d1b7769a26e579be3b7130b556831f9d850e77c4c74f2599b33", 23172},
       {"tx", "4eb5f5d0f30f26497eb0ac6ac9719d09c67e284f1ed0385c93f3ef27a671da3d", 405505},
       {"allx", "", 0},
       {"y", "e6c807633307a07ed659249006536a147c7999c797f11a2560752990181b41b3", 854},
       {"ty", "ee2e0d4819d9fbcc403689c3bf2e49face401b605932f093bc58ab6461130fdd", 12135},
       {"ally", "0c37bbe3b5014ec365e9d393cf4791925e5ed94fb194305d74f064a8d7b50f0e", 224739},
       {"graph", "5b89f0036ca22909471f1e6558eb42fa06e0c730a577bde5b058b40638f81dc9", 471808},
       {"test.index", "b101d421688bbaecbd82e8a18f1e282378d6830f3a37666f28ebc47f844341b5", 6000}});
}

}  // namespace tessera::data
