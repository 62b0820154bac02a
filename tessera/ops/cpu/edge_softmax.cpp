#include <ATen/ATen.h>

#include "tessera/ops/cpu/graph.h"
#include "tessera/ops/edge_softmax_args.h"

namespace tessera::ops {

namespace {

int64_t heads_of(const at::Tensor& logits) { return logits.dim() == 1 ? 1 : logits.size(1); }

at::Tensor make_result(const at::Tensor& like, const EdgeList& edges) {
  // Edges that are not in the list are not written.
  return edges.num_edges() == edges.num_given ? at::empty_like(like, at::MemoryFormat::Contiguous)
                                              : at::zeros_like(like, at::MemoryFormat::Contiguous);
}

template <class T>
at::Tensor forward(const at::Tensor& given, const EdgeList& edges) {
  const at::Tensor logits = given.contiguous(), alpha = make_result(given, edges);
  const RowSoftmax<T> pass{.heads = heads_of(given),
                           .ptr = indices_of(edges.row_ptr),
                           .place = indices_of(edges.order),
                           .value = logits.const_data_ptr<T>(),
                           .d = nullptr,
                           .out = alpha.mutable_data_ptr<T>()};
  // An exponential costs what some eight multiply-adds do.
  for_each_rows(pass.ptr, edges.num_nodes, 8 * pass.heads,
                [&](int64_t begin, int64_t end) { graph_kernels<T>().softmax(pass, begin, end); });
  return alpha;
}

template <class T>
at::Tensor backward(const at::Tensor& d_given, const at::Tensor& given, const EdgeList& edges) {
  const at::Tensor d_alpha = d_given.contiguous(), alpha = given.contiguous();
  const at::Tensor d_logits = make_result(given, edges);
  const RowSoftmax<T> pass{.heads = heads_of(given),
                           .ptr = indices_of(edges.row_ptr),
                           .place = indices_of(edges.order),
                           .value = alpha.const_data_ptr<T>(),
                           .d = d_alpha.const_data_ptr<T>(),
                           .out = d_logits.mutable_data_ptr<T>()};
  for_each_rows(pass.ptr, edges.num_nodes, 4 * pass.heads, [&](int64_t begin, int64_t end) {
    graph_kernels<T>().softmax_backward(pass, begin, end);
  });
  return d_logits;
}

}  // namespace

at::Tensor edge_softmax_cpu(const at::Tensor& logits, const EdgeList& edges) {
  return logits.scalar_type() == at::kDouble ? forward<double>(logits, edges)
                                             : forward<float>(logits, edges);
}

at::Tensor edge_softmax_backward_cpu(const at::Tensor& d_alpha, const at::Tensor& alpha,
                                     const EdgeList& edges) {
  return alpha.scalar_type() == at::kDouble ? backward<double>(d_alpha, alpha, edges)
                                            : backward<float>(d_alpha, alpha, edges);
}

}  // namespace tessera::ops
