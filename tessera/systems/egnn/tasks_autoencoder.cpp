#include "tessera/systems/egnn/tasks_autoencoder.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <array>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/systems/edge_weights.h"
#include "tessera/systems/egnn/complete_edges.h"
#include "tessera/systems/egnn/graph_sets.h"

namespace tessera::egnn {
namespace {

struct GraphAutoencoderConfig final : Config {
  std::string dataset = "community";
  double edge_probability = 0.25;
  bool overfit = false;
  int64_t noise_coords = 8;
  int64_t noise_h = 0;
  int64_t eval_draws = 1;

  void fields(FieldList& list) override {
    list("dataset", dataset,
         {.help = "random graphs of the authors, or the cycles C4 … C10 in every split",
          .one_of = {"community", "erdos_renyi", "cycles"}});
    list("edge_probability", edge_probability, {.help = "of erdos_renyi", .min = 0, .max = 1});
    list("overfit", overfit, {.help = "100 graphs, the same in every split"});
    list("noise_coords", noise_coords,
         {.help = "axes of the random start coordinates: model.latent_dim of egnn_ae and "
                  "radial_field_ae, 0 for gnn_ae",
          .min = 0,
          .authors_name = "K"});
    list("noise_h", noise_h,
         {.help = "random node features: model.noise_dim of gnn_ae",
          .min = 0,
          .authors_name = "noise_dim"});
    list("eval_draws", eval_draws, {.help = "noise draws of a graph in an evaluation", .min = 1});
  }

  std::string set_of(Split split) const {
    if (dataset == "cycles") return dataset;
    const std::string part = overfit ? "overfit" : split == Split::kValid ? "val" : name_of(split);
    const std::string middle =
        dataset == "erdos_renyi" ? "_" + shortest(edge_probability) + "_" : "_";
    return dataset + middle + part;
  }
};

/// A graph as the models take it.
struct Example {
  at::Tensor h, edge_index, edge_attr, adjacency;
  at::Tensor edge_id;  // where every split has this graph
};

/// An edge is an ordered pair of nodes of one graph, where all splits have the same graphs.
class GraphAutoencoderTask final : public Task, public SharedEdges {
 public:
  GraphAutoencoderTask(const GraphAutoencoderConfig& config, const TaskContext& context)
      : config_(config), options_(at::TensorOptions(context.dtype)) {
    for (const Split split : {Split::kTrain, Split::kValid, Split::kTest}) {
      for (const UndirectedGraph& graph : make_graphs(config.set_of(split))) {
        examples_[static_cast<size_t>(split)].push_back(make_example(graph));
      }
    }
    if (!config.overfit && config.dataset != "cycles") return;
    for (auto& examples : examples_) {
      num_edges_ = 0;
      for (Example& example : examples) {
        const int64_t count = example.edge_index.size(1);
        example.edge_id = at::arange(num_edges_, num_edges_ + count, at::kLong);
        num_edges_ += count;
      }
    }
  }

  int64_t size(Split split) const override {
    return static_cast<int64_t>(of(split).size()) * draws(split);
  }

  int64_t num_edges() const override { return num_edges_; }

  TensorMap batch(std::span<const int64_t> examples, BatchContext& context) const override {
    if (examples.size() != 1) {
      fail<InvalidArgument>({.where = "graph_autoencoder",
                             .rule = "a batch is one graph",
                             .got = std::to_string(examples.size()),
                             .next = "Set train.batch_size to 1.",
                             .id = "T-EGNN-50"});
    }
    const Split split = context.split;
    const Example& example = of(split)[static_cast<size_t>(examples[0] / draws(split))];
    at::Generator generator = context.generator;
    if (split != Split::kTrain) {
      // The same noise in every evaluation of every run, so that models are compared on it.
      const std::string stream = std::string(name_of(split)) + "/" + std::to_string(examples[0]);
      generator = at::make_generator<at::CPUGeneratorImpl>(stream_seed(0, stream));
    }
    TensorMap batch{{"h", example.h},
                    {"edge_index", example.edge_index},
                    {"edge_attr", example.edge_attr},
                    {"target", example.adjacency}};
    if (example.edge_id.defined()) batch.set(kEdgeId, example.edge_id);
    const int64_t n = example.adjacency.size(0);
    if (config_.noise_coords > 0) {
      batch.set("noise_coords", at::randn({n, config_.noise_coords}, generator, options_));
    }
    if (config_.noise_h > 0) {
      batch.set("noise_h", at::randn({n, config_.noise_h}, generator, options_));
    }
    return batch;
  }

  at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const override {
    return at::binary_cross_entropy(outputs.at("adj_pred"), batch.at("target"), {},
                                    at::Reduction::Sum);
  }

  void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const override {
    const at::Tensor predicted = outputs.at("adj_pred") > 0.5, actual = batch.at("target") > 0.5;
    const auto count = [](const at::Tensor& is_pair) { return is_pair.sum().item<double>(); };
    const double n = static_cast<double>(actual.size(0));
    const double right = count(predicted.logical_and(actual));
    const double false_edges = count(predicted) - right, missed = count(actual) - right;
    tally.add("loss", loss(outputs, batch).item<double>());
    tally.add("wrong_pairs", false_edges + missed);
    tally.add("pairs", n * n - n);
    tally.add("right_edges", right);
  }

  Metrics metrics(const Tally& tally) const override {
    const double wrong = tally.sum("wrong_pairs"), right = tally.sum("right_edges");
    const double f1 = right + wrong == 0 ? 1 : right / (right + 0.5 * wrong);
    return {{"loss", tally.mean("loss")},
            {"error_percent", 100 * wrong / tally.sum("pairs")},
            {"f1", f1}};
  }

 private:
  Example make_example(const UndirectedGraph& graph) const {
    const int64_t n = graph.num_nodes();
    const at::Tensor adjacency =
        at::tensor(at::ArrayRef<uint8_t>(graph.adjacency())).view({n, n}).to(options_.dtype());
    const at::Tensor edge_index = edges_.of(1, n);
    return {.h = at::ones({n, 1}, options_),
            .edge_index = edge_index,
            .edge_attr = adjacency.index({edge_index[0], edge_index[1]}).unsqueeze(1),
            .adjacency = adjacency,
            .edge_id = {}};
  }

  const std::vector<Example>& of(Split split) const {
    return examples_[static_cast<size_t>(split)];
  }
  int64_t draws(Split split) const { return split == Split::kTrain ? 1 : config_.eval_draws; }

  GraphAutoencoderConfig config_;
  at::TensorOptions options_;
  CompleteEdges edges_{CompleteEdges::Loops::kNone};
  std::array<std::vector<Example>, 3> examples_;
  int64_t num_edges_ = 0;
};

}  // namespace

TaskFactory graph_autoencoder_task() {
  return task_factory<GraphAutoencoderConfig>(
      "graph_autoencoder", "reconstruct a graph's edges from a code of its nodes",
      [](const GraphAutoencoderConfig& config, const TaskContext& context) {
        return std::make_unique<GraphAutoencoderTask>(config, context);
      });
}

}  // namespace tessera::egnn
