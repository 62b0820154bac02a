#include "tessera/systems/ugs/procedures.h"

#include <ATen/ATen.h>

#include <cmath>

#include "tessera/core/error.h"
#include "tessera/systems/ugs/case_forward.h"
#include "tessera/systems/ugs/case_trace.h"
#include "tessera/systems/ugs/config.h"
#include "tessera/systems/ugs/masks.h"

namespace tessera::ugs {
namespace {

std::vector<at::Tensor> numbered(const TensorMap& inputs, const std::string& prefix) {
  std::vector<at::Tensor> list;
  while (const at::Tensor* tensor = inputs.find(prefix + std::to_string(list.size()))) {
    list.push_back(*tensor);
  }
  return list;
}

TensorMap prune_masks(const Json& config, const TensorMap& inputs) {
  const UgsConfig it = UgsConfig::of(config);
  const at::Tensor& edges = inputs.at("edge_mask_train");
  const std::vector<at::Tensor> weights = numbered(inputs, "weight_mask_train_");
  const Pruning graph = prune({edges}, it.graph_prune_rate);
  TensorMap outputs{{"edge_mask", graph.keep[0]},
                    {"edge_threshold", graph.threshold},
                    {"edge_l1_subgradient", l1_subgradient(edges, it.graph_l1)}};
  std::vector<int64_t> counts = {graph.before, graph.after};
  std::vector<double> left = {100.0 * static_cast<double>(graph.after) /
                              static_cast<double>(edges.numel())};
  if (!weights.empty()) {
    const Pruning network = prune(weights, it.weight_prune_rate);
    int64_t entries = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      const std::string number = std::to_string(i);
      outputs.set("weight_mask_" + number, network.keep[i]);
      outputs.set("weight_l1_subgradient_" + number, l1_subgradient(weights[i], it.weight_l1));
      entries += weights[i].numel();
    }
    outputs.set("weight_threshold", network.threshold);
    counts.push_back(network.before);
    counts.push_back(network.after);
    left.push_back(100.0 * static_cast<double>(network.after) / static_cast<double>(entries));
  }
  outputs.set("counts", at::tensor(counts, at::kLong));
  outputs.set("percent_left", at::tensor(left, edges.options().requires_grad(false)));
  return outputs;
}

TensorMap macs_and_schedule(const Json& config, const TensorMap& inputs) {
  const UgsConfig it = UgsConfig::of(config);
  const at::Tensor shapes = inputs.at("shapes").to(at::kLong).contiguous();
  const at::Tensor edges = inputs.at("adjacency_nonzeros").to(at::kLong).contiguous();
  if (shapes.dim() != 2 || shapes.size(1) != 4 || edges.numel() != shapes.size(0)) {
    fail<InvalidArgument>({.where = "macs_and_schedule",
                           .rule = "shapes is (n, 4) and adjacency_nonzeros (n)",
                           .got = c10::str(shapes.sizes(), " and ", edges.sizes()),
                           .id = "T-UGS-31"});
  }
  std::vector<int64_t> dense, full;
  for (int64_t i = 0; i < shapes.size(0); ++i) {
    const int64_t* s = shapes.const_data_ptr<int64_t>() + 4 * i;
    dense.push_back(dense_macs(s[0], s[1], s[2], s[3]));
    full.push_back(full_macs(s[0], s[1], s[2], s[3], edges.const_data_ptr<int64_t>()[i]));
  }
  std::vector<double> schedule;
  for (int64_t round = 1; round <= it.num_rounds; ++round) {
    schedule.push_back(1 - std::pow(1 - it.graph_prune_rate, static_cast<double>(round)));
    schedule.push_back(1 - std::pow(1 - it.weight_prune_rate, static_cast<double>(round)));
  }
  return {{"dense_macs", at::tensor(dense, at::kLong)},
          {"full_macs", at::tensor(full, at::kLong)},
          {"schedule", at::tensor(schedule, at::kDouble).view({-1, 2})}};
}

}  // namespace

int64_t dense_macs(int64_t nodes, int64_t features, int64_t hidden, int64_t classes) {
  return nodes * hidden * (features + classes);
}

int64_t full_macs(int64_t nodes, int64_t features, int64_t hidden, int64_t classes,
                  int64_t adjacency_nonzeros) {
  return dense_macs(nodes, features, hidden, classes) +
         (adjacency_nonzeros + nodes) * (features + hidden);
}

std::vector<Procedure> procedures() {
  return {{.name = "forward",
           .summary = "a forward pass, with edge masks as vectors or as the authors' matrices",
           .run = run_forward_case},
          {.name = "trace",
           .summary = "rounds of mask training, pruning, rewinding and retraining",
           .run = run_trace_case},
          {.name = "prune",
           .summary = "global thresholds of trained masks, and what L1 adds to their gradients",
           .run = prune_masks},
          {.name = "macs_and_schedule",
           .summary = "multiplications of networks, and the shares that are gone after each round",
           .run = macs_and_schedule}};
}

}  // namespace tessera::ugs
