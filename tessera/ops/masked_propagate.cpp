#include "tessera/ops/masked_propagate.h"

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
#include "tessera/ops/masked_propagate_args.h"

namespace tessera::ops {

namespace {

[[noreturn]] void fail_shape(const std::string& rule, const at::Tensor& got,
                             std::string_view next = {}) {
  fail<InvalidArgument>({.where = "masked_propagate",
                         .rule = rule,
                         .got = describe(got),
                         .next = next,
                         .id = "T-PROP-01"});
}

}  // namespace

void check(const PropagateArgs& args) {
  const EdgeList& edges = args.edges;
  const int64_t nodes = edges.num_nodes, given = edges.num_given;
  if (args.h.dim() != 2 || args.h.size(0) != nodes) {
    fail_shape(fmt::format("h must be (N, H) with N = {} as in the edge list", nodes), args.h);
  }
  if (args.mask.numel() != given || args.mask.dim() < 1) {
    fail_shape(fmt::format("mask must have a value for each of the {} edges given", given),
               args.mask, "Pass it in the order of edge_index.");
  }
  for (const at::Tensor* list : {&edges.row_ptr, &edges.sender_ptr}) {
    if (list->dim() != 1 || list->size(0) != nodes + 1) {
      fail_shape("row_ptr and sender_ptr must be (N + 1)", *list);
    }
  }
  for (const at::Tensor* list : {&edges.row, &edges.col, &edges.order, &edges.sender_order}) {
    if (list->dim() != 1 || list->size(0) != edges.num_edges() || !list->is_contiguous()) {
      fail_shape("every list of edges must be (E) and contiguous", *list);
    }
  }
  if (args.h.scalar_type() != args.mask.scalar_type() || args.h.device() != args.mask.device() ||
      args.h.device() != edges.row_ptr.device()) {
    fail<InvalidArgument>({.where = "masked_propagate",
                           .rule = "h, mask and edges must lie on one device, h and mask be of one "
                                   "dtype",
                           .got = describe(args.h) + " and " + describe(args.mask),
                           .next = "Cast or move them.",
                           .id = "T-PROP-02"});
  }
}

void check_degrees(const at::Tensor& degree) {
  const at::Tensor negative = (degree < 0).nonzero();
  if (negative.size(0) == 0) return;
  const int64_t node = negative[0].item<int64_t>();
  fail<InvalidArgument>({.where = "masked_propagate",
                         .rule = "1 + the sum of the masks that leave a node must not be negative",
                         .got = fmt::format("{} at node {}", degree[node].item<double>(), node),
                         .next = "Keep edge masks above -1 / degree, or lower the learning rate.",
                         .id = "T-PROP-03"});
}

// ---- Registered functions -----------------------------------------------------------------------

namespace {

using Pair = std::tuple<at::Tensor, at::Tensor>;

/// Calls function(lead…, the arguments as the schema lists them).
template <class Function, class... Lead>
auto spread(const PropagateArgs& a, const Function& function, const Lead&... lead) {
  const EdgeList& e = a.edges;
  return function(lead..., a.h, a.mask, e.num_given, e.row_ptr, e.row, e.col, e.order, e.sender_ptr,
                  e.sender_order);
}

/// A function of PropagateArgs with the schema's parameter list; Lead are parameters before it.
template <auto body, class Result, class... Lead>
Result gather(Lead... lead, const at::Tensor& h, const at::Tensor& mask, int64_t num_given,
              const at::Tensor& row_ptr, const at::Tensor& row, const at::Tensor& col,
              const at::Tensor& order, const at::Tensor& sender_ptr,
              const at::Tensor& sender_order) {
  return body(lead..., PropagateArgs{.h = h,
                                     .mask = mask,
                                     .edges = {.num_nodes = row_ptr.size(0) - 1,
                                               .num_given = num_given,
                                               .row_ptr = row_ptr,
                                               .row = row,
                                               .col = col,
                                               .order = order,
                                               .sender_ptr = sender_ptr,
                                               .sender_order = sender_order}});
}

/// Whether the fused kernels take these arguments; else the plain twin does.
bool is_fused(const PropagateArgs& args) {
  if (args.h.is_cuda()) return propagate_cuda() != nullptr && has_fused_dtype(args.h);
  return (args.h.is_cpu() || args.h.is_meta()) && has_fused_dtype(args.h);
}

Pair run_forward(const PropagateArgs& args) {
  check(args);
  const PropagateKept kept =
      args.h.is_cpu() ? masked_propagate_cpu(args) : propagate_cuda()->forward(args);
  return {kept.out, kept.scale};
}

at::Tensor run(const PropagateArgs& args) {
  check(args);
  if (!is_fused(args)) return masked_propagate_plain(args.h, args.mask, args.edges);
  return std::get<0>(run_forward(args));
}

Pair run_backward(const at::Tensor& d_out, const at::Tensor& scale, PropagateNeeds needs,
                  const PropagateArgs& args) {
  check(args);
  if (d_out.sizes() != args.h.sizes()) fail_shape("d_out must have the shape of h", d_out);
  if (scale.dim() != 1 || scale.size(0) != args.edges.num_nodes) {
    fail_shape("scale must be (N)", scale);
  }
  const PropagateGradients d = args.h.is_cpu()
                                   ? masked_propagate_backward_cpu(d_out, scale, args, needs)
                                   : propagate_cuda()->backward(d_out, scale, args, needs);
  return {d[0], d[1]};
}

at::Tensor run_meta(const PropagateArgs& a) {
  return at::empty_symint(a.h.sym_sizes(), a.h.options());
}

Pair run_forward_meta(const PropagateArgs& a) {
  return {run_meta(a), a.h.new_empty_symint({a.h.sym_size(0)})};
}

Pair run_backward_meta(const at::Tensor&, const at::Tensor&, PropagateNeeds needs,
                       const PropagateArgs& a) {
  Pair d;
  if (needs[0]) std::get<0>(d) = run_meta(a);
  if (needs[1]) std::get<1>(d) = a.h.new_empty_symint(a.mask.sym_sizes());
  return d;
}

// ---- Gradient -----------------------------------------------------------------------------------

using Signature = decltype(gather<run, at::Tensor>);
using ForwardSignature = decltype(gather<run_forward, Pair>);
using BackwardSignature =
    decltype(gather<run_backward, Pair, const at::Tensor&, const at::Tensor&, PropagateNeeds>);

at::Tensor call_op(const PropagateArgs& args) {
  static const auto op = operator_handle<Signature>("tessera::masked_propagate");
  return spread(args, [&](const auto&... a) { return op.call(a...); });
}

struct PropagateFunction : torch::autograd::Function<PropagateFunction> {
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  static Variables forward(Context* context, const at::Tensor& h, const at::Tensor& mask,
                           const EdgeList& edges) {
    at::AutoDispatchBelowADInplaceOrView below;
    static const auto op = operator_handle<ForwardSignature>("tessera::masked_propagate_forward");
    auto [out, scale] = spread(PropagateArgs{.h = h, .mask = mask, .edges = edges},
                               [&](const auto&... a) { return op.call(a...); });
    context->save_for_backward({h, mask, scale, edges.row_ptr, edges.row, edges.col, edges.order,
                                edges.sender_ptr, edges.sender_order});
    context->saved_data["num_given"] = edges.num_given;
    return {out};
  }

  static Variables backward(Context* context, Variables d_out) {
    const Variables kept = context->get_saved_variables();
    const PropagateArgs args{.h = kept[0],
                             .mask = kept[1],
                             .edges = {.num_nodes = kept[3].size(0) - 1,
                                       .num_given = context->saved_data["num_given"].toInt(),
                                       .row_ptr = kept[3],
                                       .row = kept[4],
                                       .col = kept[5],
                                       .order = kept[6],
                                       .sender_ptr = kept[7],
                                       .sender_order = kept[8]}};
    const PropagateNeeds needs = {context->needs_input_grad(0), context->needs_input_grad(1)};
    Variables d(3);  // nothing flows to the edges
    if (!d_out[0].defined()) return d;
    if (at::GradMode::is_enabled()) {
      differentiate_plain(args, needs, d_out[0], d);
      return d;
    }
    static const auto op = operator_handle<BackwardSignature>("tessera::masked_propagate_backward");
    std::tie(d[0], d[1]) = spread(
        args, [&](const auto&... a) { return op.call(a...); }, d_out[0], kept[2], needs);
    return d;
  }

  /// Gradients that can be differentiated again: those of the plain composition, of aliases of the
  /// inputs, so that a path from one input to another outside this operator is not counted here.
  static void differentiate_plain(const PropagateArgs& args, const PropagateNeeds& needs,
                                  const at::Tensor& d_out, Variables& d) {
    const Variables tensors = {args.h.view_as(args.h), args.mask.view_as(args.mask)};
    const at::Tensor out = masked_propagate_plain(tensors[0], tensors[1], args.edges);
    Variables wanted;
    for (size_t i = 0; i < needs.size(); ++i) {
      if (needs[i]) wanted.push_back(tensors[i]);
    }
    const Variables found = torch::autograd::grad({out}, wanted, {d_out}, /*retain_graph=*/true,
                                                  /*create_graph=*/true, /*allow_unused=*/true);
    for (size_t i = 0, k = 0; i < needs.size(); ++i) {
      if (needs[i]) d[i] = found[k++];
    }
  }
};

at::Tensor run_autograd(const PropagateArgs& args) {
  const bool needs_grad = args.h.requires_grad() || args.mask.requires_grad();
  if (!needs_grad || !at::GradMode::is_enabled()) {
    at::AutoDispatchBelowADInplaceOrView below;
    return call_op(args);
  }
  if (is_fused(args)) return PropagateFunction::apply(args.h, args.mask, args.edges)[0];
  check(args);
  return masked_propagate_plain(args.h, args.mask, args.edges);
}

}  // namespace

at::Tensor masked_propagate(const at::Tensor& h, const at::Tensor& mask, const EdgeList& edges) {
  return call_op({.h = h, .mask = mask, .edges = edges});
}

const PropagateDevice*& propagate_cuda() {
  static const PropagateDevice* device = nullptr;
  return device;
}

#define TESSERA_PROPAGATE_BACKWARD(body) \
  TORCH_FN((gather<body, Pair, const at::Tensor&, const at::Tensor&, PropagateNeeds>))

TORCH_LIBRARY_IMPL(tessera, CPU, m) {
  m.impl("masked_propagate", TORCH_FN((gather<run, at::Tensor>)));
  m.impl("masked_propagate_forward", TORCH_FN((gather<run_forward, Pair>)));
  m.impl("masked_propagate_backward", TESSERA_PROPAGATE_BACKWARD(run_backward));
}

TORCH_LIBRARY_IMPL(tessera, CUDA, m) {
  m.impl("masked_propagate", TORCH_FN((gather<run, at::Tensor>)));
  m.impl("masked_propagate_forward", TORCH_FN((gather<run_forward, Pair>)));
  m.impl("masked_propagate_backward", TESSERA_PROPAGATE_BACKWARD(run_backward));
}

TORCH_LIBRARY_IMPL(tessera, Meta, m) {
  m.impl("masked_propagate", TORCH_FN((gather<run_meta, at::Tensor>)));
  m.impl("masked_propagate_forward", TORCH_FN((gather<run_forward_meta, Pair>)));
  m.impl("masked_propagate_backward", TESSERA_PROPAGATE_BACKWARD(run_backward_meta));
}

TORCH_LIBRARY_IMPL(tessera, Autograd, m) {
  m.impl("masked_propagate", TORCH_FN((gather<run_autograd, at::Tensor>)));
}

}  // namespace tessera::ops
