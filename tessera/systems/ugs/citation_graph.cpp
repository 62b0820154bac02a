#include "tessera/systems/ugs/citation_graph.h"

#include <ATen/ATen.h>

#include <filesystem>

#include "tessera/core/error.h"
#include "tessera/core/paths.h"
#include "tessera/io/tensor_file.h"

namespace tessera::ugs {
namespace {

namespace fs = std::filesystem;

void need(bool holds, const std::string& path, const std::string& rule) {
  if (holds) return;
  fail<BadFile>({.where = "planetoid", .rule = path + ": " + rule, .id = "T-UGS-22"});
}

bool lies_within(const at::Tensor& values, int64_t end) {
  return values.numel() == 0 ||
         (values.min().item<int64_t>() >= 0 && values.max().item<int64_t>() < end);
}

}  // namespace

CitationGraph load_citation_graph(const std::string& name, const std::string& data_root) {
  std::string path = (fs::path(data_root) / "planetoid" / (name + ".safetensors")).string();
  if (!fs::exists(path)) {
    const std::string shipped = resource_path("share/" + name + "/" + name + ".safetensors");
    if (!fs::exists(shipped)) {
      fail<Io>({.where = "planetoid",
                .rule = "the graph must lie in " + path,
                .got = "no such file",
                .next = "Give the folder that holds planetoid/ with --data.",
                .id = "T-UGS-23"});
    }
    path = shipped;
  }
  const io::TensorFile file = io::read_tensor_file(path, io::Storage::kCopied);
  const auto integers = [&](const char* key) {
    const at::Tensor* tensor = file.tensors.find(key);
    need(tensor && !tensor->is_floating_point(), path, std::string(key) + " must hold integers");
    return tensor->to(at::kLong);
  };
  const at::Tensor indptr = integers("feature_indptr"), columns = integers("feature_indices");
  CitationGraph graph{.edges = integers("edge_index"),
                      .labels = integers("labels"),
                      .train = integers("train_idx"),
                      .validation = integers("val_idx"),
                      .test = integers("test_idx")};
  const int64_t nodes = graph.labels.numel(), entries = columns.numel();
  need(indptr.dim() == 1 && indptr.numel() == nodes + 1, path,
       "feature_indptr must have one entry more than labels");
  const at::Tensor counts = indptr.diff();
  need(indptr[0].item<int64_t>() == 0 && indptr[nodes].item<int64_t>() == entries &&
           (counts >= 0).all().item<bool>(),
       path, "feature_indptr must rise from 0 to the number of entries");
  const int64_t width = entries == 0 ? 0 : columns.max().item<int64_t>() + 1;
  need(lies_within(columns, 1 << 20), path, "feature_indices must be below 2^20");
  need(graph.edges.dim() == 2 && graph.edges.size(0) == 2 && lies_within(graph.edges, nodes), path,
       "edge_index must be (2, E) of nodes");
  for (const at::Tensor& part : {graph.train, graph.validation, graph.test}) {
    need(lies_within(part, nodes), path, "the split must hold nodes");
  }
  const at::Tensor rows = at::arange(nodes, at::kLong).repeat_interleave(counts);
  const at::Tensor* stored = file.tensors.find("feature_values");
  const at::Tensor values = stored ? stored->to(at::kFloat) : at::ones({entries});
  need(values.numel() == entries, path, "feature_values must have a value for each index");
  graph.features = at::zeros({nodes, width});
  graph.features.index_put_({rows, columns}, values);
  return graph;
}

at::Tensor row_normalized(const at::Tensor& features) {
  const at::Tensor sums = features.sum(1, /*keepdim=*/true);
  return features / at::where(sums == 0, at::ones_like(sums), sums);
}

}  // namespace tessera::ugs
