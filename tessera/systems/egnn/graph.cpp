#include "tessera/systems/egnn/graph.h"

#include <ATen/ATen.h>

#include <cmath>

#include "tessera/core/error.h"

namespace tessera::egnn {
namespace {

std::string describe(const at::Tensor& tensor) {
  return c10::str(tensor.scalar_type(), " ", tensor.sizes(), " on ", tensor.device());
}

[[noreturn]] void refuse(const std::string& rule, const std::string& got, const std::string& next,
                         std::string_view id) {
  fail<InvalidArgument>({.where = "egnn", .rule = rule, .got = got, .next = next, .id = id});
}

}  // namespace

void check_finite(const at::Tensor& x) {
  // One reduction: a sum in double is finite exactly where every term is.
  const double sum = x.detach().sum(at::kDouble).item<double>();
  if (!std::isfinite(sum)) {
    refuse("x must be finite", "nan or inf among the coordinates",
           "Look for overflow or missing values in the data.", "T-EGNN-14");
  }
}

Graph make_graph(const at::Tensor& edge_index, int64_t num_nodes, const at::Tensor& edge_attr,
                 const at::Tensor& edge_mask, const at::Tensor& edge_weight) {
  Graph graph{.edge_index = edge_index};
  std::optional<at::Tensor> keep;
  const auto check_edges = [&](const at::Tensor& values, const std::string& name) {
    const int64_t num_edges = edge_index.size(-1);
    if (values.numel() == num_edges) return;
    refuse(name + " needs one value for each of the " + std::to_string(num_edges) + " edges",
           describe(values), "", "T-EGNN-15");
  };
  if (edge_mask.defined()) {
    check_edges(edge_mask, "edge_mask");
    if (edge_mask.is_floating_point()) {
      graph.edge_weight = edge_mask.reshape({-1, 1});
    } else {
      keep = edge_mask.to(at::kBool).reshape(-1);
    }
  }
  if (edge_weight.defined()) {
    check_edges(edge_weight, "edge_weight");
    if (graph.edge_weight) {
      refuse("edge_weight stands in place of a floating edge_mask", "both",
             "Multiply them, or give a bool edge_mask.", "T-EGNN-19");
    }
    graph.edge_weight = edge_weight.reshape({-1, 1});
    graph.weighs_steps = true;
  }
  graph.edges = ops::sort_edges(edge_index, num_nodes, keep);
  if (edge_attr.defined()) graph.edge_attr = edge_attr;
  return graph;
}

at::Tensor complete_edges(int64_t num_nodes, at::Device device) {
  const at::Tensor edge_index = at::empty({2, num_nodes * (num_nodes - 1)}, at::kLong);
  int64_t* receiver = edge_index.mutable_data_ptr<int64_t>();
  int64_t* sender = receiver + edge_index.size(1);
  for (int64_t i = 0; i < num_nodes; ++i) {
    for (int64_t j = 0; j < num_nodes; ++j) {
      if (i == j) continue;
      *receiver++ = i;
      *sender++ = j;
    }
  }
  return edge_index.to(device);
}

at::Tensor mean_over_receivers(const at::Tensor& value_Ek, const ops::EdgeList& edges) {
  const at::Tensor sum =
      value_Ek.new_zeros({edges.num_nodes, value_Ek.size(1)}).index_add(0, edges.row, value_Ek);
  return sum / edges.row_ptr.diff().clamp_min(1).unsqueeze(1);
}

void check_rows(const at::Tensor& tensor, const std::string& name, int64_t rows, int64_t width,
                const at::Tensor& like) {
  if (tensor.dim() != 2 || tensor.size(1) != width) {
    refuse(name + " must have shape (N, " + std::to_string(width) + ")", describe(tensor),
           "Compare with the widths of the configuration.", "T-EGNN-10");
  }
  if (rows >= 0 && tensor.size(0) != rows) {
    refuse(name + " must have " + std::to_string(rows) + " rows like the other inputs",
           describe(tensor), "", "T-EGNN-11");
  }
  if (tensor.scalar_type() != like.scalar_type() || tensor.device() != like.device()) {
    refuse(c10::str(name, " must be ", like.scalar_type(), " on ", like.device(),
                    " like the parameters"),
           describe(tensor), "Cast the inputs or the model.", "T-EGNN-12");
  }
}

Graph check_graph(const at::Tensor& edge_index, int64_t num_nodes, const at::Tensor& edge_attr,
                  const at::Tensor& edge_mask, const at::Tensor& edge_weight, int64_t edge_dim,
                  const at::Tensor& like) {
  if (edge_index.dim() != 2 || edge_index.size(0) != 2 || edge_index.scalar_type() != at::kLong) {
    refuse("edge_index must be int64 of shape (2, E), receivers first", describe(edge_index),
           "Transpose or cast it.", "T-EGNN-09");
  }
  const bool has_edge_attr = edge_attr.defined() && edge_attr.dim() > 0 && edge_attr.size(-1) > 0;
  if (has_edge_attr != (edge_dim > 0)) {
    refuse("edge_attr must have the width edge_in_dim = " + std::to_string(edge_dim),
           has_edge_attr ? describe(edge_attr) : "none",
           has_edge_attr ? "Set model.edge_in_dim to its width, or leave it out." : "Pass it.",
           "T-EGNN-13");
  }
  if (has_edge_attr) check_rows(edge_attr, "edge_attr", edge_index.size(-1), edge_dim, like);
  return make_graph(edge_index, num_nodes, has_edge_attr ? edge_attr : at::Tensor(), edge_mask,
                    edge_weight);
}

GraphInputs read_graph(const TensorMap& inputs, const Expectation& expected) {
  GraphInputs in;
  int64_t num_nodes = -1;
  const auto read_nodes = [&](const std::string& name, int64_t width) {
    const at::Tensor& tensor = inputs.at(name);
    check_rows(tensor, name, num_nodes, width, expected.like);
    num_nodes = tensor.size(0);
    return tensor;
  };
  if (expected.h_dim > 0) in.h = read_nodes("h", expected.h_dim);
  if (expected.coord_dim > 0) {
    in.x = read_nodes("x", expected.coord_dim);
    check_finite(in.x);
  }
  if (expected.vel) in.vel = read_nodes("vel", expected.coord_dim);
  in.graph = check_graph(inputs.at("edge_index"), num_nodes, inputs.get("edge_attr"),
                         inputs.get("edge_mask"), inputs.get("edge_weight"), expected.edge_dim,
                         expected.like);
  return in;
}

}  // namespace tessera::egnn
