#include "tessera/ops/sparse_linear.h"

#include <string>
#include <tuple>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "tessera/core/error.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/dispatch.h"
#include "tessera/ops/sparse_linear_args.h"

namespace tessera::ops {

namespace {

[[noreturn]] void fail_shape(const std::string& rule, const at::Tensor& got) {
  fail<InvalidArgument>(
      {.where = "sparse_linear", .rule = rule, .got = describe(got), .id = "T-SPL-01"});
}

}  // namespace

void check(const SparseMatrix& x, const at::Tensor& weight) {
  if (weight.dim() != 2 || weight.size(1) != x.cols) {
    fail_shape(fmt::format("weight must be (O, F) with F = {} as x has columns", x.cols), weight);
  }
  const int64_t count = x.value.numel();
  if (x.value.dim() != 1) fail_shape("value must have one axis", x.value);
  for (const at::Tensor* list : {&x.col, &x.row, &x.place}) {
    if (list->dim() != 1 || list->size(0) != count || !list->is_contiguous()) {
      fail_shape(fmt::format("col, row and place must be ({}) as value is", count), *list);
    }
  }
  if (x.value.scalar_type() != weight.scalar_type() || x.value.device() != weight.device() ||
      x.row_ptr.device() != weight.device()) {
    fail<InvalidArgument>({.where = "sparse_linear",
                           .rule = "x and weight must have one dtype and device",
                           .got = describe(x.value) + " and " + describe(weight),
                           .next = "Cast or move them.",
                           .id = "T-SPL-02"});
  }
}

// ---- Registered functions -----------------------------------------------------------------------

namespace {

using Pair = std::tuple<at::Tensor, at::Tensor>;

/// Calls function(lead…, the arguments as the schema lists them).
template <class Function, class... Lead>
auto spread(const SparseMatrix& x, const at::Tensor& weight, const Function& function,
            const Lead&... lead) {
  return function(lead..., x.value, weight, x.row_ptr, x.col, x.col_ptr, x.row, x.place);
}

/// A function of a matrix and a weight with the schema's parameter list; Lead are before it.
template <auto body, class Result, class... Lead>
Result gather(Lead... lead, const at::Tensor& value, const at::Tensor& weight,
              const at::Tensor& row_ptr, const at::Tensor& col, const at::Tensor& col_ptr,
              const at::Tensor& row, const at::Tensor& place) {
  return body(lead...,
              SparseMatrix{.rows = row_ptr.size(0) - 1,
                           .cols = col_ptr.size(0) - 1,
                           .value = value,
                           .row_ptr = row_ptr,
                           .col = col,
                           .col_ptr = col_ptr,
                           .row = row,
                           .place = place},
              weight);
}

/// Whether the fused kernels take these arguments; else the plain twin does.
bool is_fused(const at::Tensor& weight) {
  if (weight.is_cuda()) return sparse_cuda() != nullptr && has_fused_dtype(weight);
  return (weight.is_cpu() || weight.is_meta()) && has_fused_dtype(weight);
}

at::Tensor run(const SparseMatrix& x, const at::Tensor& weight) {
  check(x, weight);
  if (!is_fused(weight)) return sparse_linear_plain(x, weight);
  return weight.is_cpu() ? sparse_linear_cpu(x, weight) : sparse_cuda()->forward(x, weight);
}

Pair run_backward(const at::Tensor& d_out, SparseNeeds needs, const SparseMatrix& x,
                  const at::Tensor& weight) {
  check(x, weight);
  if (d_out.dim() != 2 || d_out.size(0) != x.rows || d_out.size(1) != weight.size(0)) {
    fail_shape("d_out must be (N, O)", d_out);
  }
  const SparseGradients d = weight.is_cpu() ? sparse_linear_backward_cpu(d_out, x, weight, needs)
                                            : sparse_cuda()->backward(d_out, x, weight, needs);
  return {d[0], d[1]};
}

at::Tensor run_meta(const SparseMatrix& x, const at::Tensor& weight) {
  return weight.new_empty_symint({x.row_ptr.sym_size(0) - 1, weight.sym_size(0)});
}

Pair run_backward_meta(const at::Tensor&, SparseNeeds needs, const SparseMatrix& x,
                       const at::Tensor& weight) {
  Pair d;
  if (needs[0]) std::get<0>(d) = at::empty_symint(x.value.sym_sizes(), x.value.options());
  if (needs[1]) {
    std::get<1>(d) = weight.new_empty_symint({weight.sym_size(1), weight.sym_size(0)}).t();
  }
  return d;
}

// ---- Gradient -----------------------------------------------------------------------------------

using Signature = decltype(gather<run, at::Tensor>);
using BackwardSignature = decltype(gather<run_backward, Pair, const at::Tensor&, SparseNeeds>);

at::Tensor call_op(const SparseMatrix& x, const at::Tensor& weight) {
  static const auto op = operator_handle<Signature>("tessera::sparse_linear");
  return spread(x, weight, [&](const auto&... a) { return op.call(a...); });
}

struct SparseLinearFunction : torch::autograd::Function<SparseLinearFunction> {
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  static Variables forward(Context* context, const at::Tensor& value, const at::Tensor& weight,
                           const SparseMatrix& x) {
    at::AutoDispatchBelowADInplaceOrView below;
    context->save_for_backward({value, weight, x.row_ptr, x.col, x.col_ptr, x.row, x.place});
    return {call_op(x, weight)};
  }

  static Variables backward(Context* context, Variables d_out) {
    const Variables kept = context->get_saved_variables();
    const SparseMatrix x{.rows = kept[2].size(0) - 1,
                         .cols = kept[4].size(0) - 1,
                         .value = kept[0],
                         .row_ptr = kept[2],
                         .col = kept[3],
                         .col_ptr = kept[4],
                         .row = kept[5],
                         .place = kept[6]};
    const SparseNeeds needs = {context->needs_input_grad(0), context->needs_input_grad(1)};
    Variables d(3);  // nothing flows to the matrix's structure
    if (!d_out[0].defined()) return d;
    if (at::GradMode::is_enabled()) {
      differentiate_plain(x, kept[1], needs, d_out[0], d);
      return d;
    }
    static const auto op = operator_handle<BackwardSignature>("tessera::sparse_linear_backward");
    std::tie(d[0], d[1]) = spread(
        x, kept[1], [&](const auto&... a) { return op.call(a...); }, d_out[0], needs);
    return d;
  }

  /// Gradients that can be differentiated again: those of the plain composition, of aliases of the
  /// inputs, so that a path from one input to another outside this operator is not counted here.
  static void differentiate_plain(SparseMatrix x, const at::Tensor& weight,
                                  const SparseNeeds& needs, const at::Tensor& d_out, Variables& d) {
    x.value = x.value.view_as(x.value);
    const at::Tensor alias = weight.view_as(weight);
    const at::Tensor out = sparse_linear_plain(x, alias);
    Variables wanted;
    if (needs[0]) wanted.push_back(x.value);
    if (needs[1]) wanted.push_back(alias);
    const Variables found = torch::autograd::grad({out}, wanted, {d_out}, /*retain_graph=*/true,
                                                  /*create_graph=*/true, /*allow_unused=*/true);
    for (size_t i = 0, k = 0; i < needs.size(); ++i) {
      if (needs[i]) d[i] = found[k++];
    }
  }
};

at::Tensor run_autograd(const SparseMatrix& x, const at::Tensor& weight) {
  const bool needs_grad = x.value.requires_grad() || weight.requires_grad();
  if (!needs_grad || !at::GradMode::is_enabled()) {
    at::AutoDispatchBelowADInplaceOrView below;
    return call_op(x, weight);
  }
  if (is_fused(weight)) return SparseLinearFunction::apply(x.value, weight, x)[0];
  check(x, weight);
  return sparse_linear_plain(x, weight);
}

}  // namespace

at::Tensor sparse_linear(const SparseMatrix& x, const at::Tensor& weight) {
  return call_op(x, weight);
}

const SparseDevice*& sparse_cuda() {
  static const SparseDevice* device = nullptr;
  return device;
}

#define TESSERA_SPARSE_BACKWARD(body) TORCH_FN((gather<body, Pair, const at::Tensor&, SparseNeeds>))

TORCH_LIBRARY_IMPL(tessera, CPU, m) {
  m.impl("sparse_linear", TORCH_FN((gather<run, at::Tensor>)));
  m.impl("sparse_linear_backward", TESSERA_SPARSE_BACKWARD(run_backward));
}

TORCH_LIBRARY_IMPL(tessera, CUDA, m) {
  m.impl("sparse_linear", TORCH_FN((gather<run, at::Tensor>)));
  m.impl("sparse_linear_backward", TESSERA_SPARSE_BACKWARD(run_backward));
}

TORCH_LIBRARY_IMPL(tessera, Meta, m) {
  m.impl("sparse_linear", TORCH_FN((gather<run_meta, at::Tensor>)));
  m.impl("sparse_linear_backward", TESSERA_SPARSE_BACKWARD(run_backward_meta));
}

TORCH_LIBRARY_IMPL(tessera, Autograd, m) {
  m.impl("sparse_linear", TORCH_FN((gather<run_autograd, at::Tensor>)));
}

}  // namespace tessera::ops
