#include "tessera/systems/ugs/graph.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>

#include <limits>
#include <string>
#include <vector>

#include "tessera/core/error.h"

namespace tessera::ugs {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// x · weightᵀ of constant compressed rows; the gradient by the weight is gᵀ x.
struct RowsTimes : torch::autograd::Function<RowsTimes> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& weight,
                            const at::Tensor& rows, const at::Tensor& columns) {
    context->saved_data["columns"] = columns;
    return rows.mm(weight.t().contiguous());
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const at::Tensor columns = context->saved_data["columns"].toTensor();
    return {columns.mm(gradients[0].contiguous()).t(), at::Tensor(), at::Tensor()};
  }
};

EdgeRows rows_by(const at::Tensor& near, const at::Tensor& far, int64_t num_nodes) {
  const at::Tensor order = near.argsort(/*stable=*/true, /*dim=*/-1, /*descending=*/false);
  const at::Tensor counts = near.bincount({}, num_nodes);
  return {.start = at::cat({at::zeros({1}, at::kLong), counts.cumsum(0)}),
          .other = far.index_select(0, order),
          .order = order};
}

/// The (N, N) matrix whose row i holds the weights of node i's edges.
at::Tensor matrix_of(const EdgeRows& rows, const at::Tensor& weights, int64_t num_nodes) {
  return at::_sparse_csr_tensor_unsafe(rows.start, rows.other, weights.index_select(0, rows.order),
                                       {num_nodes, num_nodes},
                                       weights.options().layout(at::kSparseCsr));
}

/// out = M x of the edges' weights; by x Mᵀ g, by the weight of edge e ⟨x[r_e], g[c_e]⟩.
struct Propagate : torch::autograd::Function<Propagate> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& weights, const at::Tensor& edges, int64_t num_nodes,
                            const std::vector<at::Tensor>& by_source,
                            const std::vector<at::Tensor>& by_target) {
    context->save_for_backward({x, weights, edges, by_source[0], by_source[1], by_source[2]});
    const EdgeRows rows{by_target[0], by_target[1], by_target[2]};
    return matrix_of(rows, weights, num_nodes).mm(x.contiguous());
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weights = saved[1], &edges = saved[2];
    const at::Tensor g = gradients[0].contiguous();
    at::Tensor by_x, by_weight;
    if (context->needs_input_grad(0)) {
      by_x = matrix_of({saved[3], saved[4], saved[5]}, weights, x.size(0)).mm(g);
    }
    if (context->needs_input_grad(1)) {
      by_weight = (x.index_select(0, edges[0]) * g.index_select(0, edges[1])).sum(1);
    }
    return {by_x, by_weight, {}, {}, {}, {}};
  }
};

at::Tensor inverse_root_degrees(const Graph& graph, const at::Tensor& mask) {
  const at::Tensor degree =
      at::ones({graph.num_nodes}, mask.options()).index_add(0, graph.sources(), mask);
  const at::Tensor is_negative = degree.detach() < 0;
  if (is_negative.any().item<bool>()) {
    const int64_t node = is_negative.nonzero()[0][0].item<int64_t>();
    fail<InvalidArgument>(
        {.where = "ugs",
         .rule = "the masked degree of every node is 0 or more",
         .got = std::to_string(degree[node].item<double>()) + " at node " + std::to_string(node),
         .next = "Masks below 0 outweigh the rest: lower the rate.",
         .id = "T-UGS-11"});
  }
  const at::Tensor root = degree.pow(-0.5);
  return at::where(degree.detach() == 0, at::zeros_like(root), root);
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
  return {.edges = edges,
          .num_nodes = num_nodes,
          .by_source = rows_by(edges[0], edges[1], num_nodes),
          .by_target = rows_by(edges[1], edges[0], num_nodes)};
}

at::Tensor propagate(const at::Tensor& x, const Graph& graph, const at::Tensor& weights) {
  const bool is_indexed = graph.by_source.start.defined();
  const EdgeRows sources =
      is_indexed ? graph.by_source : rows_by(graph.sources(), graph.targets(), graph.num_nodes);
  const EdgeRows targets =
      is_indexed ? graph.by_target : rows_by(graph.targets(), graph.sources(), graph.num_nodes);
  return Propagate::apply(x, weights, graph.edges, graph.num_nodes,
                          std::vector<at::Tensor>{sources.start, sources.other, sources.order},
                          std::vector<at::Tensor>{targets.start, targets.other, targets.order});
}

at::Tensor propagate_normalized(const at::Tensor& x, const Graph& graph, const at::Tensor& mask) {
  const at::Tensor s = inverse_root_degrees(graph, mask);
  const at::Tensor weights =
      s.index_select(0, graph.sources()) * s.index_select(0, graph.targets()) * mask;
  return (s * s).unsqueeze(-1) * x + propagate(x, graph, weights);
}

at::Tensor propagation_matrix(const Graph& graph, const at::Tensor& mask) {
  return propagate_normalized(at::eye(graph.num_nodes, mask.options()), graph, mask);
}

at::Tensor edge_softmax(const at::Tensor& logits, const Graph& graph) {
  const at::Tensor targets = graph.targets();
  const at::Tensor index = targets.unsqueeze(-1).expand_as(logits);
  // The largest logit of each node is only a shift: it carries no gradient.
  const at::Tensor shift = at::full({graph.num_nodes, logits.size(1)},
                                    -std::numeric_limits<double>::infinity(), logits.options())
                               .scatter_reduce(0, index, logits.detach(), "amax")
                               .index_select(0, targets);
  const at::Tensor exps = (logits - shift).exp();
  const at::Tensor sums =
      at::zeros({graph.num_nodes, logits.size(1)}, logits.options()).index_add(0, targets, exps);
  return exps / sums.index_select(0, targets);
}

at::Tensor in_degrees(const Graph& graph, const at::Tensor& like) {
  return at::zeros({graph.num_nodes}, like.options().requires_grad(false))
      .index_add(0, graph.targets(),
                 at::ones({graph.edges.size(1)}, like.options().requires_grad(false)));
}

Features Features::of_rows(const at::Tensor& indptr, const at::Tensor& columns,
                           const at::Tensor& values, int64_t width) {
  Features features;
  const int64_t nodes = indptr.numel() - 1;
  features.rows_ = at::sparse_csr_tensor(indptr, columns, values, {nodes, width},
                                         values.options().layout(at::kSparseCsr));
  features.columns_ = features.rows_.to_dense().t().contiguous().to_sparse_csr();
  return features;
}

at::Tensor Features::times(const at::Tensor& weight) const {
  const at::Tensor product =
      is_sparse() ? RowsTimes::apply(weight, rows_, columns_) : dense_.mm(weight.t());
  return order_.defined() ? product.index_select(0, order_) : product;
}

Features Features::permuted(const at::Tensor& nodes) const {
  Features features = *this;
  features.order_ = order_.defined() ? order_.index_select(0, nodes) : nodes;
  return features;
}

}  // namespace tessera::ugs
