#include "tessera/systems/ugs/tasks.h"
#include "tessera/data/planetoid.h"

#include <ATen/ATen.h>

#include "tessera/core/rng.h"
#include "tessera/ops/sparse_matrix.h"
#include "tessera/systems/edge_weights.h"
#include "tessera/systems/ugs/link.h"
#include "tessera/systems/ugs/model.h"

namespace tessera::ugs {
namespace {

struct CitationConfig : Config {
  std::string dataset = "cora";
  bool self_loops = false;

  void fields(FieldList& list) override {
    list("dataset", dataset,
         {.help = "the graph; Cora ships with the library",
          .one_of = {"cora", "citeseer", "pubmed"}});
    list("self_loops", self_loops,
         {.help = "append (v, v) of every node to the edges: GAT's list"});
  }
};

struct CitationLinksConfig final : CitationConfig {
  double test_share = 0.1;
  double validation_share = 0.05;
  int64_t split_seed = 1234;

  void fields(FieldList& list) override {
    CitationConfig::fields(list);
    list("test_share", test_share, {.help = "edges held out for the test", .min = 0, .max = 0.5});
    list("validation_share", validation_share,
         {.help = "edges held out for validation", .min = 0, .max = 0.5});
    list("split_seed", split_seed, {.help = "of the held-out edges and the non-edges", .min = 0});
  }
};

/// What both tasks share: the graph as the model's inputs.
class WholeGraph : public Task, public SharedEdges {
 public:
  int64_t size(Split) const override { return 1; }
  int64_t num_edges() const override { return inputs_.at("edge_index").size(1); }
  Metrics metrics(const Tally& tally) const override {
    Metrics list;
    for (const std::string& name : tally.names()) list.emplace_back(name, tally.mean(name));
    return list;
  }
  bool larger_is_better() const override { return true; }

 protected:
  WholeGraph(const data::GraphData& graph, const at::Tensor& edges, bool self_loops,
             at::ScalarType dtype) {
    const ops::SparseMatrix rows = ops::compress(data::row_normalized(graph.features));
    const at::Tensor nodes = at::arange(graph.num_nodes(), at::kLong);
    inputs_ = {{"x_indptr", rows.row_ptr},
               {"x_columns", rows.col},
               {"x_values", rows.value.to(dtype)},
               {"edge_index", self_loops ? at::cat({edges, at::stack({nodes, nodes})}, 1) : edges}};
    inputs_.set(kEdgeId, at::arange(num_edges(), at::kLong));
  }

  /// What a search says of its last ticket.
  static void measure_search(const TensorMap& outputs, Tally& tally) {
    for (const auto& [name, value] : outputs.with_prefix("search/")) {
      const std::string shown = name == "test"         ? "ticket_test"
                                : name == "validation" ? "ticket_valid"
                                                       : name;
      tally.add(shown, value.item<double>());
    }
  }

  /// The L1 of masks: its gradient, not its value, as the authors print it.
  static at::Tensor with_l1(const at::Tensor& loss, const TensorMap& outputs) {
    const at::Tensor* l1 = outputs.find("l1");
    return l1 ? loss + (*l1 - l1->detach()) : loss;
  }

  TensorMap inputs_;
};

class Citation final : public WholeGraph {
 public:
  Citation(const CitationConfig& config, const data::GraphData& graph, at::ScalarType dtype)
      : WholeGraph(graph, graph.edges, config.self_loops, dtype), graph_(graph) {
    inputs_.merge(
        {{"labels", graph.labels}, {"val_idx", graph.validation}, {"test_idx", graph.test}});
  }

  TensorMap batch(std::span<const int64_t>, BatchContext& context) const override {
    TensorMap batch = inputs_;
    batch.set("index", context.split == Split::kTrain   ? graph_.train
                       : context.split == Split::kValid ? graph_.validation
                                                        : graph_.test);
    return batch;
  }

  at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const override {
    return with_l1(cross_entropy(scores(outputs), batch.at("labels"), batch.at("index")), outputs);
  }

  void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const override {
    const at::Tensor& index = batch.at("index");
    const at::Tensor logits = scores(outputs).index_select(0, index);
    const at::Tensor labels = batch.at("labels").index_select(0, index);
    tally.add("loss", at::cross_entropy_loss(logits, labels).item<double>());
    tally.add("accuracy", 100 * (logits.argmax(1) == labels).to(at::kDouble).mean().item<double>());
    measure_search(outputs, tally);
  }

  std::string selection_metric() const override { return "accuracy"; }

 private:
  static const at::Tensor& scores(const TensorMap& outputs) {
    const at::Tensor* logits = outputs.find("logits");
    return logits ? *logits : outputs.at("log_probs");
  }

  const data::GraphData graph_;
};

/// (2, n) to a pair a row.
at::Tensor as_rows(const at::Tensor& pairs) { return pairs.t().contiguous(); }

class CitationLinks final : public WholeGraph {
 public:
  CitationLinks(const CitationLinksConfig& config, const data::GraphData& graph,
                const data::LinkSplit& split, at::ScalarType dtype)
      : WholeGraph(graph, split.edges(), config.self_loops, dtype), num_nodes_(graph.num_nodes()) {
    inputs_.merge({{"val_positive", as_rows(split.validation)},
                   {"val_negative", as_rows(split.validation_none)},
                   {"test_positive", as_rows(split.test)},
                   {"test_negative", as_rows(split.test_none)}});
  }

  TensorMap batch(std::span<const int64_t>, BatchContext& context) const override {
    TensorMap batch = inputs_;
    batch.set("permutation", at::randperm(num_nodes_, context.generator, at::kLong));
    const std::string part = context.split == Split::kTest ? "test" : "val";
    batch.set("positive_edges", inputs_.at(part + "_positive"));
    batch.set("negative_edges", inputs_.at(part + "_negative"));
    return batch;
  }

  at::Tensor loss(const TensorMap& outputs, const TensorMap&) const override {
    return with_l1(outputs.at("loss"), outputs);
  }

  void measure(const TensorMap& outputs, const TensorMap&, Tally& tally) const override {
    tally.add("loss", outputs.at("loss").item<double>());
    const at::Tensor scores = outputs.at("auc_ap");
    tally.add("roc_auc", 100 * scores[0].item<double>());
    tally.add("average_precision", 100 * scores[1].item<double>());
    measure_search(outputs, tally);
  }

  std::string selection_metric() const override { return "roc_auc"; }

 private:
  const int64_t num_nodes_;
};

}  // namespace

std::vector<TaskFactory> tasks() {
  return {
      task_factory<CitationConfig>(
          "citation", "classes of the nodes of a citation graph, Planetoid's split",
          [](const CitationConfig& config, const TaskContext& context) {
            const data::GraphData graph = data::load_planetoid(config.dataset, context.data_root);
            return std::make_unique<Citation>(config, graph, context.dtype);
          }),
      task_factory<CitationLinksConfig>(
          "citation_links", "held-out edges of a citation graph against pairs that are none",
          [](const CitationLinksConfig& config, const TaskContext& context) {
            const data::GraphData graph = data::load_planetoid(config.dataset, context.data_root);
            auto generator = at::detail::createCPUGenerator(
                stream_seed(static_cast<uint64_t>(config.split_seed), "links"));
            const data::LinkSplit split =
                data::split_links(graph.edges, graph.num_nodes(), generator, config.test_share,
                                  config.validation_share);
            return std::make_unique<CitationLinks>(config, graph, split, context.dtype);
          })};
}

}  // namespace tessera::ugs
