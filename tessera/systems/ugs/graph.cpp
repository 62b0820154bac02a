#include "tessera/systems/ugs/graph.h"

#include <torch/types.h>

#include <string>

#include "tessera/core/error.h"
#include "tessera/ops/edge_softmax.h"
#include "tessera/ops/masked_propagate.h"
#include "tessera/ops/product.h"
#include "tessera/ops/sparse_linear.h"

namespace tessera::ugs {
namespace {

/// Messages are received by row 1 of the edges.
ops::EdgeList list_of(const at::Tensor& edges, int64_t num_nodes) {
  return ops::sort_edges(edges.flip(0), num_nodes);
}

ops::EdgeList list_of(const Graph& graph) {
  return graph.list.row_ptr.defined() ? graph.list : list_of(graph.edges, graph.num_nodes);
}

/// The matrix whose row c has a place for the weight of each edge into c; without values.
ops::SparseMatrix matrix_of(const ops::EdgeList& list) {
  return {.rows = list.num_nodes,
          .cols = list.num_nodes,
          .row_ptr = list.row_ptr,
          .col = list.col,
          .col_ptr = list.sender_ptr,
          .row = list.row.index_select(0, list.sender_order),
          .place = list.sender_order};
}

}  // namespace

Graph make_graph(const at::Tensor& edges, int64_t num_nodes, bool may_repeat) {
  const auto refuse = [](const std::string& rule, const std::string& got, const char* id) {
    fail<InvalidArgument>({.where = "ugs", .rule = rule, .got = got, .id = id});
  };
  if (edges.dim() != 2 || edges.size(0) != 2 || edges.scalar_type() != at::kLong) {
    refuse("edge_index must be int64 of shape (2, E)",
           std::string(toString(edges.scalar_type())) + " " + c10::str(edges.sizes()), "T-UGS-12");
  }
  if (edges.size(1) > 0) {
    const int64_t least = edges.min().item<int64_t>(), most = edges.max().item<int64_t>();
    if (num_nodes == 0) num_nodes = most + 1;
    if (least < 0 || most >= num_nodes) {
      refuse("edge_index must hold nodes of [0, " + std::to_string(num_nodes) + ")",
             std::to_string(least < 0 ? least : most), "T-UGS-13");
    }
  }
  if (!may_repeat) {
    const at::Tensor key = std::get<0>((edges[0] * num_nodes + edges[1]).sort());
    const at::Tensor twice = (key.slice(0, 1) == key.slice(0, 0, -1)).nonzero();
    if (twice.numel() > 0) {
      const int64_t edge = key[twice[0][0]].item<int64_t>();
      refuse("edge_index must hold every edge once",
             "(" + std::to_string(edge / num_nodes) + ", " + std::to_string(edge % num_nodes) +
                 ") twice",
             "T-UGS-14");
    }
  }
  return {.edges = edges, .num_nodes = num_nodes, .list = list_of(edges, num_nodes)};
}

Graph only_edges(const Graph& graph, const at::Tensor& places) {
  const at::Tensor edges = graph.edges.index_select(1, places);
  return {.edges = edges, .num_nodes = graph.num_nodes, .list = list_of(edges, graph.num_nodes)};
}

at::Tensor propagate(const at::Tensor& x, const Graph& graph, const at::Tensor& weights) {
  const ops::EdgeList list = list_of(graph);
  ops::SparseMatrix matrix = matrix_of(list);
  matrix.value = weights.index_select(0, list.order);
  return ops::sparse_linear(matrix, x.t());
}

MeanPropagation::MeanPropagation(const Graph& graph, const at::Tensor& degrees)
    : share_(degrees.reciprocal().index_select(0, graph.targets())) {
  const at::Tensor nodes = at::arange(graph.num_nodes, graph.edges.options());
  const ops::EdgeList list =
      list_of(at::cat({graph.edges, at::stack({nodes, nodes})}, 1), graph.num_nodes);
  matrix_ = matrix_of(list);
  order_ = list.order;
}

at::Tensor MeanPropagation::operator()(const at::Tensor& x, const at::Tensor& weights,
                                       const at::Tensor& own) const {
  ops::SparseMatrix matrix = matrix_;
  matrix.value = at::cat({weights * share_, own.expand({x.size(0)})}).index_select(0, order_);
  return ops::sparse_linear(matrix, x.t());
}

at::Tensor propagate_normalized(const at::Tensor& x, const Graph& graph, const at::Tensor& mask) {
  return ops::masked_propagate(x, mask, list_of(graph));
}

at::Tensor propagation_matrix(const Graph& graph, const at::Tensor& mask) {
  return propagate_normalized(at::eye(graph.num_nodes, mask.options()), graph, mask);
}

at::Tensor edge_softmax(const at::Tensor& logits, const Graph& graph) {
  return ops::edge_softmax(logits, list_of(graph));
}

at::Tensor in_degrees(const Graph& graph, const at::Tensor& like) {
  return at::zeros({graph.num_nodes}, like.options().requires_grad(false))
      .index_add(0, graph.targets(),
                 at::ones({graph.edges.size(1)}, like.options().requires_grad(false)));
}

Features Features::of_rows(const at::Tensor& indptr, const at::Tensor& columns,
                           const at::Tensor& values, int64_t width) {
  Features features;
  features.rows_ = ops::compress(indptr, columns, values, width);
  return features;
}

at::Tensor Features::times(const at::Tensor& weight) const {
  const at::Tensor product =
      is_sparse() ? ops::sparse_linear(rows_, weight) : ops::affine(dense_, weight);
  return order_.defined() ? product.index_select(0, order_) : product;
}

Features Features::permuted(const at::Tensor& nodes) const {
  Features features = *this;
  features.order_ = order_.defined() ? order_.index_select(0, nodes) : nodes;
  return features;
}

}  // namespace tessera::ugs
