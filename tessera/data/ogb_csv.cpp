#include "tessera/data/ogb_csv.h"

#include <ATen/ATen.h>

#include <cstring>
#include <filesystem>
#include <optional>
#include <vector>

#include "tessera/core/error.h"
#include "tessera/io/csv.h"
#include "tessera/io/file.h"
#include "tessera/io/gzip.h"

namespace tessera::data {
namespace {

namespace fs = std::filesystem;

/// ogbn-products' features are 3 GB of text; a file far beyond that is none of the benchmark's
/// graphs that fit into memory whole.
constexpr size_t kLargestTable = size_t{16} << 30;

[[noreturn]] void bad_table(const std::string& file, const std::string& rule,
                            const std::string& got) {
  fail<BadFile>({.where = "ogb", .rule = file + " " + rule, .got = got, .id = "T-OGB-02"});
}

/// <stem>.csv.gz, else <stem>.csv.
std::optional<std::string> find_table(const fs::path& stem) {
  for (const char* ending : {".csv.gz", ".csv"}) {
    const std::string path = stem.string() + ending;
    if (fs::exists(path)) return path;
  }
  return std::nullopt;
}

std::string need_table(const fs::path& stem) {
  if (const std::optional<std::string> path = find_table(stem)) return *path;
  fail<Io>({.where = "ogb",
            .rule = "the graph's folder must hold " + stem.string() + ".csv.gz",
            .got = "none",
            .next = "Unpack the archive that ogb's loader fetches.",
            .id = "T-OGB-01"});
}

template <class T, class Parse>
at::Tensor read_table(const std::string& path, at::ScalarType type, const Parse& parse) {
  const io::MappedFile file(path);
  io::CsvTable<T> table;
  if (io::is_gzip(file.bytes())) {
    table = parse(io::gunzip(file.bytes(), kLargestTable, path), path);
  } else {
    table = parse(file.bytes(), path);
  }
  const at::Tensor result = at::empty({table.rows, table.cols}, type);
  if (!table.value.empty()) {
    std::memcpy(result.mutable_data_ptr(), table.value.data(), table.value.size() * sizeof(T));
  }
  return result;
}

at::Tensor read_integers(const std::string& path) {
  return read_table<int64_t>(path, at::kLong, io::parse_csv_integers);
}

at::Tensor read_floats(const std::string& path) {
  return read_table<float>(path, at::kFloat, io::parse_csv_floats);
}

/// Nodes, one a line.
at::Tensor read_nodes(const std::string& path) {
  const at::Tensor nodes = read_integers(path);
  if (nodes.size(0) > 0 && nodes.size(1) != 1) bad_table(path, "must hold a node a line", "more");
  return nodes.flatten();
}

fs::path split_folder(const fs::path& folder, const std::string& split) {
  if (!split.empty()) return folder / "split" / split;
  std::vector<fs::path> found;
  if (fs::is_directory(folder / "split")) {
    for (const auto& entry : fs::directory_iterator(folder / "split")) {
      if (entry.is_directory()) found.push_back(entry.path());
    }
  }
  if (found.size() != 1) {
    fail<Io>({.where = "ogb",
              .rule = (folder / "split").string() + " must hold one folder, or the split be named",
              .got = std::to_string(found.size()) + " folders",
              .id = "T-OGB-03"});
  }
  return found.front();
}

}  // namespace

GraphData load_ogb_nodes(const std::string& folder, const std::string& split) {
  const fs::path raw = fs::path(folder) / "raw";
  const std::string count_path = need_table(raw / "num-node-list");
  const at::Tensor count = read_integers(count_path);
  if (count.numel() != 1 || count.item<int64_t>() < 1) {
    bad_table(count_path, "must hold the number of nodes of one graph",
              std::to_string(count.numel()) + " numbers");
  }
  const int64_t nodes = count.item<int64_t>();

  GraphData graph;
  const std::string edge_path = need_table(raw / "edge");
  const at::Tensor edges = read_integers(edge_path);
  if (edges.size(0) > 0 && edges.size(1) != 2) {
    bad_table(edge_path, "must hold two nodes a line", std::to_string(edges.size(1)));
  }
  const at::Tensor ends = edges.reshape({-1, 2}).t();
  if (ends.numel() > 0) {
    const auto [low, high] = ends.aminmax();
    if (low.item<int64_t>() < 0 || high.item<int64_t>() >= nodes) {
      bad_table(
          edge_path, "must hold nodes in [0, " + std::to_string(nodes) + ")",
          std::to_string(low.item<int64_t>() < 0 ? low.item<int64_t>() : high.item<int64_t>()));
    }
  }
  const at::Tensor keys = std::get<0>(at::_unique(ends[0] * nodes + ends[1], /*sorted=*/true));
  graph.edges = at::stack({keys.div(nodes, "floor"), keys.remainder(nodes)});

  if (const std::optional<std::string> path = find_table(raw / "node-feat")) {
    graph.features = read_floats(*path);
    if (graph.features.size(0) != nodes) {
      bad_table(*path, "must have " + std::to_string(nodes) + " lines",
                std::to_string(graph.features.size(0)));
    }
  } else {
    graph.features = at::empty({nodes, 0}, at::kFloat);
  }
  graph.labels = read_integers(need_table(raw / "node-label"));
  if (graph.labels.size(1) == 1) graph.labels = graph.labels.squeeze(1);

  const fs::path part = split_folder(folder, split);
  graph.train = read_nodes(need_table(part / "train"));
  graph.validation = read_nodes(need_table(part / "valid"));
  graph.test = read_nodes(need_table(part / "test"));
  check_graph(graph, "ogb");
  return graph;
}

}  // namespace tessera::data
