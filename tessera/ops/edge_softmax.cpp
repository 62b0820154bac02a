#include "tessera/ops/edge_softmax.h"

#include <string>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "tessera/core/error.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/dispatch.h"
#include "tessera/ops/edge_softmax_args.h"

namespace tessera::ops {

namespace {

EdgeList edges_of(int64_t num_given, const at::Tensor& row_ptr, const at::Tensor& row,
                  const at::Tensor& order) {
  return {.num_nodes = row_ptr.size(0) - 1,
          .num_given = num_given,
          .row_ptr = row_ptr,
          .row = row,
          .order = order};
}

void check(const at::Tensor& logits, const EdgeList& edges) {
  const bool fits = (logits.dim() == 1 || logits.dim() == 2) && logits.size(0) == edges.num_given;
  const bool is_list = edges.row.dim() == 1 && edges.order.dim() == 1 &&
                       edges.row.size(0) == edges.order.size(0) && edges.row_ptr.is_contiguous() &&
                       edges.order.is_contiguous();
  if (fits && is_list && logits.device() == edges.row_ptr.device()) return;
  fail<InvalidArgument>(
      {.where = "edge_softmax",
       .rule = fmt::format("logits must be (E') or (E', heads) for the {} edges given, on their "
                           "device",
                           edges.num_given),
       .got = describe(logits),
       .next = "Pass them in the order of edge_index.",
       .id = "T-SOFT-01"});
}

/// Whether the fused kernels take these arguments; else the plain twin does.
bool is_fused(const at::Tensor& logits) {
  if (logits.is_cuda()) return softmax_cuda() != nullptr && has_fused_dtype(logits);
  return (logits.is_cpu() || logits.is_meta()) && has_fused_dtype(logits);
}

at::Tensor run(const at::Tensor& logits, int64_t num_given, const at::Tensor& row_ptr,
               const at::Tensor& row, const at::Tensor& order) {
  const EdgeList edges = edges_of(num_given, row_ptr, row, order);
  check(logits, edges);
  if (!is_fused(logits)) return edge_softmax_plain(logits, edges);
  return logits.is_cpu() ? edge_softmax_cpu(logits, edges) : softmax_cuda()->forward(logits, edges);
}

at::Tensor run_backward(const at::Tensor& d_alpha, const at::Tensor& alpha, int64_t num_given,
                        const at::Tensor& row_ptr, const at::Tensor& row, const at::Tensor& order) {
  const EdgeList edges = edges_of(num_given, row_ptr, row, order);
  check(alpha, edges);
  TORCH_CHECK(d_alpha.sizes() == alpha.sizes(), "d_alpha must have the shape of alpha");
  return alpha.is_cpu() ? edge_softmax_backward_cpu(d_alpha, alpha, edges)
                        : softmax_cuda()->backward(d_alpha, alpha, edges);
}

at::Tensor run_meta(const at::Tensor& logits, int64_t, const at::Tensor&, const at::Tensor&,
                    const at::Tensor&) {
  return logits.new_empty_symint(logits.sym_sizes());
}

at::Tensor run_backward_meta(const at::Tensor&, const at::Tensor& alpha, int64_t, const at::Tensor&,
                             const at::Tensor&, const at::Tensor&) {
  return alpha.new_empty_symint(alpha.sym_sizes());
}

struct SoftmaxFunction : torch::autograd::Function<SoftmaxFunction> {
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  static Variables forward(Context* context, const at::Tensor& logits, const EdgeList& edges) {
    at::AutoDispatchBelowADInplaceOrView below;
    const at::Tensor alpha = edge_softmax(logits, edges);
    context->save_for_backward({logits, alpha, edges.row_ptr, edges.row, edges.order});
    context->saved_data["num_given"] = edges.num_given;
    return {alpha};
  }

  static Variables backward(Context* context, Variables d_alpha) {
    const Variables kept = context->get_saved_variables();
    const int64_t given = context->saved_data["num_given"].toInt();
    if (!d_alpha[0].defined()) return {at::Tensor(), at::Tensor()};
    if (at::GradMode::is_enabled()) {
      // Of an alias, so that a path from the input that is outside this operator is not counted.
      const at::Tensor alias = kept[0].view_as(kept[0]);
      const at::Tensor alpha =
          edge_softmax_plain(alias, edges_of(given, kept[2], kept[3], kept[4]));
      return {torch::autograd::grad({alpha}, {alias}, {d_alpha[0]}, /*retain_graph=*/true,
                                    /*create_graph=*/true)[0],
              at::Tensor()};
    }
    static const auto op =
        operator_handle<decltype(run_backward)>("tessera::edge_softmax_backward");
    return {op.call(d_alpha[0], kept[1], given, kept[2], kept[3], kept[4]), at::Tensor()};
  }
};

at::Tensor run_autograd(const at::Tensor& logits, int64_t num_given, const at::Tensor& row_ptr,
                        const at::Tensor& row, const at::Tensor& order) {
  const EdgeList edges = edges_of(num_given, row_ptr, row, order);
  if (!logits.requires_grad() || !at::GradMode::is_enabled()) {
    at::AutoDispatchBelowADInplaceOrView below;
    return edge_softmax(logits, edges);
  }
  if (is_fused(logits)) return SoftmaxFunction::apply(logits, edges)[0];
  check(logits, edges);
  return edge_softmax_plain(logits, edges);
}

}  // namespace

at::Tensor edge_softmax(const at::Tensor& logits, const EdgeList& edges) {
  static const auto op = operator_handle<decltype(run)>("tessera::edge_softmax");
  return op.call(logits, edges.num_given, edges.row_ptr, edges.row, edges.order);
}

const SoftmaxDevice*& softmax_cuda() {
  static const SoftmaxDevice* device = nullptr;
  return device;
}

TORCH_LIBRARY_IMPL(tessera, CPU, m) {
  m.impl("edge_softmax", TORCH_FN(run));
  m.impl("edge_softmax_backward", TORCH_FN(run_backward));
}

TORCH_LIBRARY_IMPL(tessera, CUDA, m) {
  m.impl("edge_softmax", TORCH_FN(run));
  m.impl("edge_softmax_backward", TORCH_FN(run_backward));
}

TORCH_LIBRARY_IMPL(tessera, Meta, m) {
  m.impl("edge_softmax", TORCH_FN(run_meta));
  m.impl("edge_softmax_backward", TORCH_FN(run_backward_meta));
}

TORCH_LIBRARY_IMPL(tessera, Autograd, m) { m.impl("edge_softmax", TORCH_FN(run_autograd)); }

}  // namespace tessera::ops
