#include "tessera/ops/egcl.h"

#include <array>
#include <string>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/dispatch.h"
#include "tessera/ops/egcl_args.h"

namespace tessera::ops {

// ---- Arguments ----------------------------------------------------------------------------------

namespace {

constexpr std::array<const char*, 3> kNormNames = {"none", "unit", "plus_one"};

[[noreturn]] void fail_shape(const std::string& rule, const at::Tensor& got,
                             std::string_view next = {}) {
  fail<InvalidArgument>(
      {.where = "egcl", .rule = rule, .got = describe(got), .next = next, .id = "T-EGCL-01"});
}

void expect(const at::Tensor& tensor, const char* name, at::IntArrayRef sizes) {
  if (tensor.defined() && tensor.sizes() == sizes) return;
  fail_shape(fmt::format("{} must be ({})", name, fmt::join(sizes, ", ")), tensor);
}

}  // namespace

const char* name_of(CoordNorm norm) { return kNormNames[static_cast<size_t>(norm)]; }

CoordNorm coord_norm_of(std::string_view name) {
  for (size_t i = 0; i < kNormNames.size(); ++i) {
    if (name == kNormNames[i]) return static_cast<CoordNorm>(i);
  }
  const std::array<std::string, 3> names = {kNormNames[0], kNormNames[1], kNormNames[2]};
  fail<InvalidArgument>({.where = "egcl",
                         .rule = "coord_norm must be none, unit or plus_one",
                         .got = "\"" + std::string(name) + "\"",
                         .next = did_you_mean(name, names),
                         .id = "T-EGCL-03"});
}

EgclTensors tensors_of(const EgclArgs& a) {
  const EgclWeights& w = a.weights;
  return {a.h,       a.x,     a.edge_attr, a.edge_weight, w.edge_w1,  w.edge_b1, w.edge_w2,
          w.edge_b2, w.att_w, w.att_b,     w.coord_w1,    w.coord_b1, w.coord_w2};
}

void set_tensors(EgclArgs& a, const EgclTensors& t) {
  a.h = t[kH];
  a.x = t[kX];
  a.edge_attr = t[kEdgeAttr];
  a.edge_weight = t[kEdgeWeight];
  a.weights = {.edge_w1 = t[kEdgeW1],
               .edge_b1 = t[kEdgeB1],
               .edge_w2 = t[kEdgeW2],
               .edge_b2 = t[kEdgeB2],
               .att_w = t[kAttW],
               .att_b = t[kAttB],
               .coord_w1 = t[kCoordW1],
               .coord_b1 = t[kCoordB1],
               .coord_w2 = t[kCoordW2]};
}

void check(const EgclArgs& args) {
  const EgclWeights& w = args.weights;
  const EdgeList& edges = args.edges;
  const int64_t nodes = edges.num_nodes, given = edges.num_given;
  const auto has_rows = [](const at::Tensor& t, int64_t rows) {
    return t.dim() == 2 && t.size(0) == rows;
  };
  if (!has_rows(args.h, nodes)) {
    fail_shape(fmt::format("h must be (N, d_in) with N = {} as in the edge list", nodes), args.h);
  }
  if (args.x.defined() && !has_rows(args.x, nodes)) {
    fail_shape(fmt::format("x must be (N, n) with N = {} as in the edge list", nodes), args.x);
  }
  if (args.edge_attr.defined() && !has_rows(args.edge_attr, given)) {
    fail_shape(fmt::format("edge_attr must have a row for each of the {} edges given", given),
               args.edge_attr, "Pass it in the order of edge_index.");
  }
  if (args.edge_weight.defined() && args.edge_weight.numel() != given) {
    fail_shape(fmt::format("edge_weight must have a value for each of the {} edges given", given),
               args.edge_weight, "Pass it in the order of edge_index.");
  }
  expect(edges.row_ptr, "row_ptr", {nodes + 1});
  expect(edges.sender_ptr, "sender_ptr", {nodes + 1});
  for (const at::Tensor* list : {&edges.col, &edges.order, &edges.sender_order}) {
    expect(*list, "every list of edges", {edges.num_edges()});
  }

  if (!w.edge_b1.defined() || w.edge_b1.dim() != 1) fail_shape("edge_b1 must be (d)", w.edge_b1);
  const int64_t d = w.edge_b1.size(0);
  const int64_t features =
      (args.x.defined() ? 1 : 0) + (args.edge_attr.defined() ? args.edge_attr.size(1) : 0);
  expect(w.edge_w1, "edge_w1", {d, 2 * args.h.size(1) + features});
  expect(w.edge_w2, "edge_w2", {d, d});
  expect(w.edge_b2, "edge_b2", {d});
  if (w.att_w.defined()) {
    expect(w.att_w, "att_w", {1, d});
    expect(w.att_b, "att_b", {1});
  }
  if (args.has_head()) {
    if (!args.x.defined()) fail_shape("x must be given where coordinates are updated", args.x);
    expect(w.coord_w1, "coord_w1", {d, d});
    expect(w.coord_b1, "coord_b1", {d});
    expect(w.coord_w2, "coord_w2", {1, d});
  }
  for (const at::Tensor& tensor : tensors_of(args)) {
    if (!tensor.defined()) continue;
    if (tensor.scalar_type() == args.h.scalar_type() && tensor.device() == args.h.device())
      continue;
    fail<InvalidArgument>({.where = "egcl",
                           .rule = "all floating arguments must have one dtype and device",
                           .got = describe(args.h) + " and " + describe(tensor),
                           .next = "Cast the inputs or the weights.",
                           .id = "T-EGCL-02"});
  }
}

// ---- Registered functions -----------------------------------------------------------------------

namespace {

using Pair = std::tuple<at::Tensor, at::Tensor>;
using Triple = std::tuple<at::Tensor, at::Tensor, at::Tensor>;
using Gradients =
    std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor,
               at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

/// Calls function(lead…, the arguments as the schema lists them).
template <class Function, class... Lead>
auto spread(const EgclArgs& a, const Function& function, const Lead&... lead) {
  const EgclWeights& w = a.weights;
  return function(lead..., a.h, optional(a.x), a.edges.num_given, a.edges.row_ptr, a.edges.row,
                  a.edges.col, a.edges.order, a.edges.sender_ptr, a.edges.sender_order,
                  optional(a.edge_attr), optional(a.edge_weight), w.edge_w1, w.edge_b1, w.edge_w2,
                  w.edge_b2, optional(w.att_w), optional(w.att_b), optional(w.coord_w1),
                  optional(w.coord_b1), optional(w.coord_w2), name_of(a.options.activation),
                  name_of(a.options.coord_norm), a.options.coord_tanh, a.options.coord_mean,
                  a.options.coord_clamp, a.options.weigh_coords);
}

/// A function of EgclArgs with the schema's parameter list; Lead are parameters before it.
template <auto body, class Result, class... Lead>
Result gather(Lead... lead, const at::Tensor& h, const OptionalTensor& x, int64_t num_given,
              const at::Tensor& row_ptr, const at::Tensor& row, const at::Tensor& col,
              const at::Tensor& order, const at::Tensor& sender_ptr, const at::Tensor& sender_order,
              const OptionalTensor& edge_attr, const OptionalTensor& edge_weight,
              const at::Tensor& edge_w1, const at::Tensor& edge_b1, const at::Tensor& edge_w2,
              const at::Tensor& edge_b2, const OptionalTensor& att_w, const OptionalTensor& att_b,
              const OptionalTensor& coord_w1, const OptionalTensor& coord_b1,
              const OptionalTensor& coord_w2, std::string_view activation,
              std::string_view coord_norm, bool coord_tanh, bool coord_mean,
              std::optional<double> coord_clamp, bool weigh_coords) {
  EgclArgs args;
  args.edges = {.num_nodes = row_ptr.size(0) - 1,
                .num_given = num_given,
                .row_ptr = row_ptr,
                .row = row,
                .col = col,
                .order = order,
                .sender_ptr = sender_ptr,
                .sender_order = sender_order};
  set_tensors(
      args, {h, defined_or_not(x), defined_or_not(edge_attr), defined_or_not(edge_weight), edge_w1,
             edge_b1, edge_w2, edge_b2, defined_or_not(att_w), defined_or_not(att_b),
             defined_or_not(coord_w1), defined_or_not(coord_b1), defined_or_not(coord_w2)});
  args.options = {.activation = activation_of(activation),
                  .coord_norm = coord_norm_of(coord_norm),
                  .coord_tanh = coord_tanh,
                  .coord_mean = coord_mean,
                  .coord_clamp = coord_clamp,
                  .weigh_coords = weigh_coords};
  return body(lead..., args);
}

EgclResult plain(const EgclArgs& a) {
  return egcl_plain(a.h, optional(a.x), a.edges, optional(a.edge_attr), optional(a.edge_weight),
                    a.weights, a.options);
}

/// Whether the fused kernels take these arguments; else the plain twin does.
bool is_fused(const EgclArgs& args) {
  if (args.h.is_cuda()) return egcl_cuda() != nullptr && egcl_cuda()->fits(args);
  return (args.h.is_cpu() || args.h.is_meta()) && has_fused_dtype(args.h);
}

Pair run(const EgclArgs& args) {
  check(args);
  const EgclResult result = !is_fused(args)   ? plain(args)
                            : args.h.is_cpu() ? egcl_cpu(args, /*keep=*/false).result
                                              : egcl_cuda()->forward(args, /*keep=*/false).result;
  return {result.agg, result.x_delta};
}

Triple run_forward(const EgclArgs& args) {
  check(args);
  const EgclKept kept =
      args.h.is_cpu() ? egcl_cpu(args, /*keep=*/true) : egcl_cuda()->forward(args, /*keep=*/true);
  return {kept.result.agg, kept.result.x_delta, kept.saved};
}

template <size_t... i>
Gradients as_tuple(const EgclTensors& d, std::index_sequence<i...>) {
  return {d[i]...};
}

Gradients run_backward(const OptionalTensor& d_agg, const OptionalTensor& d_x_delta,
                       const at::Tensor& saved, EgclNeeds needs, const EgclArgs& args) {
  check(args);
  const EgclTensors d =
      egcl_backward_cpu(defined_or_not(d_agg), defined_or_not(d_x_delta), saved, args, needs);
  return as_tuple(d, std::make_index_sequence<kNumEgclInputs>());
}

Pair run_meta(const EgclArgs& a) {
  const auto nodes = a.h.sym_size(0), dim = a.weights.edge_b1.sym_size(0);
  const auto n = a.has_head() ? a.x.sym_size(1) : c10::SymInt(0);
  return {a.h.new_empty_symint({nodes, dim}), a.h.new_empty_symint({nodes, n})};
}

Triple run_forward_meta(const EgclArgs& a) {
  auto [agg, x_delta] = run_meta(a);
  const auto size = saved_size(a.h.sym_size(0), a.edges.row.sym_size(0),
                               a.weights.edge_b1.sym_size(0), a.has_head());
  return {agg, x_delta, a.h.new_empty_symint({size})};
}

Gradients run_backward_meta(const OptionalTensor&, const OptionalTensor&, const at::Tensor&,
                            EgclNeeds needs, const EgclArgs& args) {
  EgclTensors tensors = tensors_of(args);
  bool needs_weights = false;
  for (size_t i = kEdgeW1; i < kNumEgclInputs; ++i) needs_weights |= needs[i];
  for (size_t i = 0; i < kNumEgclInputs; ++i) {
    const bool wanted = i < kEdgeW1 ? needs[i] : needs_weights;
    if (!tensors[i].defined()) continue;
    tensors[i] =
        wanted ? at::empty_symint(tensors[i].sym_sizes(), tensors[i].options()) : at::Tensor();
  }
  return as_tuple(tensors, std::make_index_sequence<kNumEgclInputs>());
}

// ---- Gradient -----------------------------------------------------------------------------------

using PairSignature = decltype(gather<run, Pair>);
using TripleSignature = decltype(gather<run_forward, Triple>);
using BackwardSignature = decltype(gather<run_backward, Gradients, const OptionalTensor&,
                                          const OptionalTensor&, const at::Tensor&, EgclNeeds>);

Pair call_op(const EgclArgs& args) {
  static const auto op = operator_handle<PairSignature>("tessera::egcl");
  return spread(args, [&](const auto&... a) { return op.call(a...); });
}

struct EgclFunction : torch::autograd::Function<EgclFunction> {
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  static Variables forward(Context* context, const at::Tensor& h, const OptionalTensor& x,
                           const OptionalTensor& edge_attr, const OptionalTensor& edge_weight,
                           const at::Tensor& edge_w1, const at::Tensor& edge_b1,
                           const at::Tensor& edge_w2, const at::Tensor& edge_b2,
                           const OptionalTensor& att_w, const OptionalTensor& att_b,
                           const OptionalTensor& coord_w1, const OptionalTensor& coord_b1,
                           const OptionalTensor& coord_w2, const EdgeList& edges,
                           const EgclOptions& options) {
    const auto given = defined_or_not;
    EgclArgs args;
    args.edges = edges;
    args.options = options;
    set_tensors(args, {h, given(x), given(edge_attr), given(edge_weight), edge_w1, edge_b1, edge_w2,
                       edge_b2, given(att_w), given(att_b), given(coord_w1), given(coord_b1),
                       given(coord_w2)});
    at::AutoDispatchBelowADInplaceOrView below;
    static const auto op = operator_handle<TripleSignature>("tessera::egcl_forward");
    auto [agg, x_delta, saved] = spread(args, [&](const auto&... a) { return op.call(a...); });

    Variables kept;
    kept.reserve(kNumEgclInputs + 7);
    for (const at::Tensor& tensor : tensors_of(args)) kept.push_back(tensor);
    for (const at::Tensor& list : {edges.row_ptr, edges.row, edges.col, edges.order,
                                   edges.sender_ptr, edges.sender_order, saved}) {
      kept.push_back(list);
    }
    context->save_for_backward(std::move(kept));
    context->saved_data["num_given"] = edges.num_given;
    context->saved_data["activation"] = static_cast<int64_t>(options.activation);
    context->saved_data["coord_norm"] = static_cast<int64_t>(options.coord_norm);
    context->saved_data["coord_tanh"] = options.coord_tanh;
    context->saved_data["coord_mean"] = options.coord_mean;
    context->saved_data["coord_clamp"] = options.coord_clamp;
    context->saved_data["weigh_coords"] = options.weigh_coords;
    context->set_materialize_grads(false);
    return {agg, x_delta};
  }

  static Variables backward(Context* context, Variables d_results) {
    const Variables kept = context->get_saved_variables();
    EgclTensors tensors;
    std::copy_n(kept.begin(), kNumEgclInputs, tensors.begin());
    EgclArgs args;
    set_tensors(args, tensors);
    const auto* lists = &kept[kNumEgclInputs];
    auto& data = context->saved_data;
    args.edges = {.num_nodes = lists[0].size(0) - 1,
                  .num_given = data["num_given"].toInt(),
                  .row_ptr = lists[0],
                  .row = lists[1],
                  .col = lists[2],
                  .order = lists[3],
                  .sender_ptr = lists[4],
                  .sender_order = lists[5]};
    args.options = {.activation = static_cast<Activation>(data["activation"].toInt()),
                    .coord_norm = static_cast<CoordNorm>(data["coord_norm"].toInt()),
                    .coord_tanh = data["coord_tanh"].toBool(),
                    .coord_mean = data["coord_mean"].toBool(),
                    .coord_clamp = data["coord_clamp"].toOptional<double>(),
                    .weigh_coords = data["weigh_coords"].toBool()};
    EgclNeeds needs;
    size_t place = 0;  // absent inputs have none
    for (size_t i = 0; i < kNumEgclInputs; ++i) {
      needs[i] = tensors[i].defined() && context->needs_input_grad(place++);
    }

    Variables d(kNumEgclInputs + 2);  // nothing flows to the edges and the options
    if (!d_results[0].defined() && !d_results[1].defined()) return d;
    if (at::GradMode::is_enabled()) {
      differentiate_plain(args, needs, d_results, d);
    } else {
      static const auto op = operator_handle<BackwardSignature>("tessera::egcl_backward");
      const Gradients gradients = spread(
          args, [&](const auto&... a) { return op.call(a...); }, optional(d_results[0]),
          optional(d_results[1]), lists[6], needs);
      std::apply([&](const auto&... g) { d = {g..., at::Tensor(), at::Tensor()}; }, gradients);
    }
    return d;
  }

  /// Gradients that can be differentiated again: those of the plain composition. Aliases of the
  /// inputs, so that a path from one input to another outside this operator is not counted here.
  static void differentiate_plain(EgclArgs& args, const EgclNeeds& needs,
                                  const Variables& d_results, Variables& d) {
    EgclTensors tensors = tensors_of(args);
    Variables inputs;
    std::vector<size_t> places;
    for (size_t i = 0; i < kNumEgclInputs; ++i) {
      if (!needs[i]) continue;
      tensors[i] = tensors[i].view_as(tensors[i]);
      inputs.push_back(tensors[i]);
      places.push_back(i);
    }
    set_tensors(args, tensors);
    const EgclResult result = plain(args);
    Variables results, cotangents;
    const std::array<at::Tensor, 2> outputs = {result.agg, result.x_delta};
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (!d_results[i].defined() || !outputs[i].requires_grad()) continue;
      results.push_back(outputs[i]);
      cotangents.push_back(d_results[i]);
    }
    const Variables found =
        torch::autograd::grad(results, inputs, cotangents, /*retain_graph=*/true,
                              /*create_graph=*/true, /*allow_unused=*/true);
    for (size_t k = 0; k < places.size(); ++k) d[places[k]] = found[k];
  }
};

Pair run_autograd(const EgclArgs& args) {
  const EgclTensors t = tensors_of(args);
  bool needs_grad = false;
  for (const at::Tensor& tensor : t) needs_grad |= tensor.defined() && tensor.requires_grad();
  if (!needs_grad || !at::GradMode::is_enabled()) {
    at::AutoDispatchBelowADInplaceOrView below;
    return call_op(args);
  }
  if (!is_fused(args)) {
    check(args);
    const EgclResult result = plain(args);
    return {result.agg, result.x_delta};
  }
  const auto results =
      EgclFunction::apply(t[kH], optional(t[kX]), optional(t[kEdgeAttr]), optional(t[kEdgeWeight]),
                          t[kEdgeW1], t[kEdgeB1], t[kEdgeW2], t[kEdgeB2], optional(t[kAttW]),
                          optional(t[kAttB]), optional(t[kCoordW1]), optional(t[kCoordB1]),
                          optional(t[kCoordW2]), args.edges, args.options);
  return {results[0], results[1]};
}

}  // namespace

EgclResult egcl(const at::Tensor& h, const std::optional<at::Tensor>& x, const EdgeList& edges,
                const std::optional<at::Tensor>& edge_attr,
                const std::optional<at::Tensor>& edge_weight, const EgclWeights& weights,
                const EgclOptions& options) {
  auto [agg, x_delta] = call_op({.h = h,
                                 .x = defined_or_not(x),
                                 .edges = edges,
                                 .edge_attr = defined_or_not(edge_attr),
                                 .edge_weight = defined_or_not(edge_weight),
                                 .weights = weights,
                                 .options = options});
  return {agg, x_delta};
}

const EgclDevice*& egcl_cuda() {
  static const EgclDevice* device = nullptr;
  return device;
}

TORCH_LIBRARY_IMPL(tessera, CPU, m) {
  m.impl("egcl", TORCH_FN((gather<run, Pair>)));
  m.impl("egcl_forward", TORCH_FN((gather<run_forward, Triple>)));
  m.impl("egcl_backward", TORCH_FN((gather<run_backward, Gradients, const OptionalTensor&,
                                           const OptionalTensor&, const at::Tensor&, EgclNeeds>)));
}

TORCH_LIBRARY_IMPL(tessera, CUDA, m) {
  m.impl("egcl", TORCH_FN((gather<run, Pair>)));
  m.impl("egcl_forward", TORCH_FN((gather<run_forward, Triple>)));
  m.impl("egcl_backward", TORCH_FN((gather<run_backward, Gradients, const OptionalTensor&,
                                           const OptionalTensor&, const at::Tensor&, EgclNeeds>)));
}

TORCH_LIBRARY_IMPL(tessera, Meta, m) {
  m.impl("egcl", TORCH_FN((gather<run_meta, Pair>)));
  m.impl("egcl_forward", TORCH_FN((gather<run_forward_meta, Triple>)));
  m.impl("egcl_backward", TORCH_FN((gather<run_backward_meta, Gradients, const OptionalTensor&,
                                           const OptionalTensor&, const at::Tensor&, EgclNeeds>)));
}

TORCH_LIBRARY_IMPL(tessera, Autograd, m) { m.impl("egcl", TORCH_FN((gather<run_autograd, Pair>))); }

}  // namespace tessera::ops
