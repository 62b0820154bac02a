#include "tessera/ops/perceptron.h"

#include <string>
#include <tuple>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "tessera/core/error.h"
#include "tessera/ops/cpu/padding.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/dispatch.h"
#include "tessera/ops/perceptron_args.h"

namespace tessera::ops {

PerceptronTensors tensors_of(const PerceptronArgs& a) {
  return {a.input.x, a.input.y, a.input.z, a.weights.w1, a.weights.b1, a.weights.w2, a.weights.b2};
}

PerceptronNeeds wanted(const PerceptronArgs& args, const PerceptronNeeds& needs) {
  const PerceptronTensors tensors = tensors_of(args);
  const bool weights = needs[kW1] || needs[kB1] || needs[kW2] || needs[kB2];
  PerceptronNeeds result;
  for (size_t i = 0; i < result.size(); ++i) {
    result[i] = tensors[i].defined() && (i < kW1 ? needs[i] : weights);
  }
  return result;
}

namespace {

[[noreturn]] void fail_shape(const std::string& rule, const at::Tensor& got) {
  fail<InvalidArgument>(
      {.where = "perceptron", .rule = rule, .got = describe(got), .id = "T-MLP-01"});
}

void expect(const at::Tensor& tensor, const char* name, at::IntArrayRef sizes) {
  if (tensor.defined() && tensor.sizes() == sizes) return;
  fail_shape(fmt::format("{} must be ({})", name, fmt::join(sizes, ", ")), tensor);
}

}  // namespace

void check(const PerceptronArgs& args) {
  const auto& [x, y, z] = args.input;
  const PerceptronWeights& w = args.weights;
  if (!x.defined() || x.dim() != 2) fail_shape("x must be (N, k)", x);
  int64_t columns = x.size(1);
  for (const at::Tensor* more : {&y, &z}) {
    if (!more->defined()) continue;
    if (more->dim() != 2 || more->size(0) != x.size(0)) {
      fail_shape(fmt::format("all inputs must have {} rows", x.size(0)), *more);
    }
    columns += more->size(1);
  }
  if (z.defined() && !y.defined()) fail_shape("y must be given before z", y);
  if (!w.b1.defined() || w.b1.dim() != 1) fail_shape("b1 must be (d)", w.b1);
  const int64_t dim = w.b1.size(0);
  expect(w.w1, "w1", {dim, columns});
  if (!w.w2.defined() || w.w2.dim() != 2) fail_shape("w2 must be (d_out, d)", w.w2);
  expect(w.w2, "w2", {w.w2.size(0), dim});
  if (w.b2.defined()) expect(w.b2, "b2", {w.w2.size(0)});
  if (args.residual && x.size(1) != w.w2.size(0)) {
    fail_shape(fmt::format("a residual needs x of width d_out = {}", w.w2.size(0)), x);
  }
  for (const at::Tensor& tensor : tensors_of(args)) {
    if (!tensor.defined()) continue;
    if (tensor.scalar_type() == x.scalar_type() && tensor.device() == x.device()) continue;
    fail<InvalidArgument>({.where = "perceptron",
                           .rule = "all arguments must have one dtype and device",
                           .got = describe(x) + " and " + describe(tensor),
                           .next = "Cast the inputs or the weights.",
                           .id = "T-MLP-02"});
  }
}

// ---- Registered functions -----------------------------------------------------------------------

namespace {

using Pair = std::tuple<at::Tensor, at::Tensor>;
using Gradients =
    std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

/// Calls function(lead…, the arguments as the schema lists them).
template <class Function, class... Lead>
auto spread(const PerceptronArgs& a, const Function& function, const Lead&... lead) {
  return function(lead..., a.input.x, optional(a.input.y), optional(a.input.z), a.weights.w1,
                  a.weights.b1, a.weights.w2, optional(a.weights.b2), name_of(a.activation),
                  a.residual);
}

/// A function of PerceptronArgs with the schema's parameter list; Lead are parameters before it.
template <auto body, class Result, class... Lead>
Result gather(Lead... lead, const at::Tensor& x, const OptionalTensor& y, const OptionalTensor& z,
              const at::Tensor& w1, const at::Tensor& b1, const at::Tensor& w2,
              const OptionalTensor& b2, std::string_view activation, bool residual) {
  return body(lead..., PerceptronArgs{.input = {x, defined_or_not(y), defined_or_not(z)},
                                      .weights = {w1, b1, w2, defined_or_not(b2)},
                                      .activation = activation_of(activation),
                                      .residual = residual});
}

at::Tensor plain(const PerceptronArgs& args) {
  return perceptron_plain(args.input, args.weights, args.activation, args.residual);
}

bool runs_fused(const PerceptronArgs& args) {
  return !args.input.x.is_cuda() && has_fused_dtype(args.input.x);
}

at::Tensor run(const PerceptronArgs& args) {
  check(args);
  return runs_fused(args) ? perceptron_cpu(args, /*keep=*/false).out : plain(args);
}

Pair run_forward_cpu(const PerceptronArgs& args) {
  check(args);
  const PerceptronKept kept = perceptron_cpu(args, /*keep=*/true);
  return {kept.out, kept.z1};
}

Gradients as_tuple(const PerceptronTensors& d) {
  return {d[0], d[1], d[2], d[3], d[4], d[5], d[6]};
}

Gradients run_backward_cpu(const at::Tensor& d_out, const at::Tensor& z1, PerceptronNeeds needs,
                           const PerceptronArgs& args) {
  check(args);
  return as_tuple(perceptron_backward_cpu(d_out, z1, args, wanted(args, needs)));
}

at::Tensor run_meta(const PerceptronArgs& a) {
  return a.input.x.new_empty_symint({a.input.x.sym_size(0), a.weights.w2.sym_size(0)});
}

Pair run_forward_meta(const PerceptronArgs& a) {
  const auto row = (a.weights.b1.sym_size(0) + kLane - 1) / kLane * kLane;
  return {run_meta(a), a.input.x.new_empty_symint({a.input.x.sym_size(0), row})};
}

Gradients run_backward_meta(const at::Tensor&, const at::Tensor&, PerceptronNeeds needs,
                            const PerceptronArgs& args) {
  const PerceptronTensors tensors = tensors_of(args);
  const PerceptronNeeds want = wanted(args, needs);
  PerceptronTensors d;
  for (size_t i = 0; i < d.size(); ++i) {
    if (want[i]) d[i] = tensors[i].new_empty_symint(tensors[i].sym_sizes());
  }
  return as_tuple(d);
}

// ---- Gradient -----------------------------------------------------------------------------------

at::Tensor call_op(const PerceptronArgs& args) {
  static const auto op = operator_handle<decltype(gather<run, at::Tensor>)>("tessera::perceptron");
  return spread(args, [&](const auto&... a) { return op.call(a...); });
}

struct PerceptronFunction : torch::autograd::Function<PerceptronFunction> {
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  static at::Tensor forward(Context* context, const at::Tensor& x, const OptionalTensor& y,
                            const OptionalTensor& z, const at::Tensor& w1, const at::Tensor& b1,
                            const at::Tensor& w2, const OptionalTensor& b2, Activation activation,
                            bool residual) {
    const auto given = defined_or_not;
    at::AutoDispatchBelowADInplaceOrView below;
    static const auto op =
        operator_handle<decltype(gather<run_forward_cpu, Pair>)>("tessera::perceptron_forward");
    auto [out, z1] = spread({.input = {x, given(y), given(z)},
                             .weights = {w1, b1, w2, given(b2)},
                             .activation = activation,
                             .residual = residual},
                            [&](const auto&... a) { return op.call(a...); });
    context->save_for_backward({x, given(y), given(z), w1, b1, w2, given(b2), z1});
    context->saved_data["activation"] = static_cast<int64_t>(activation);
    context->saved_data["residual"] = residual;
    return out;
  }

  static Variables backward(Context* context, Variables d_out) {
    const Variables kept = context->get_saved_variables();
    PerceptronArgs args{
        .input = {kept[kInputX], kept[kInputY], kept[kInputZ]},
        .weights = {kept[kW1], kept[kB1], kept[kW2], kept[kB2]},
        .activation = static_cast<Activation>(context->saved_data["activation"].toInt()),
        .residual = context->saved_data["residual"].toBool()};
    PerceptronNeeds needs;
    size_t place = 0;  // absent inputs have none
    for (size_t i = 0; i < needs.size(); ++i) {
      needs[i] = kept[i].defined() && context->needs_input_grad(place++);
    }
    Variables d(kNumPerceptronTensors + 2);  // nothing flows to the options
    if (at::GradMode::is_enabled()) {
      differentiate_plain(args, needs, d_out[0], d);
    } else {
      static const auto op =
          operator_handle<decltype(gather<run_backward_cpu, Gradients, const at::Tensor&,
                                          const at::Tensor&, PerceptronNeeds>)>(
              "tessera::perceptron_backward");
      const Gradients gradients = spread(
          args, [&](const auto&... a) { return op.call(a...); }, d_out[0],
          kept[kNumPerceptronTensors], needs);
      std::apply([&](const auto&... g) { d = {g..., at::Tensor(), at::Tensor()}; }, gradients);
    }
    return d;
  }

  /// Gradients that can be differentiated again: those of the plain composition, of aliases of the
  /// inputs, so that a path from one input to another outside this operator is not counted here.
  static void differentiate_plain(const PerceptronArgs& given, const PerceptronNeeds& needs,
                                  const at::Tensor& d_out, Variables& d) {
    PerceptronTensors t = tensors_of(given);
    Variables inputs;
    std::vector<size_t> places;
    for (size_t i = 0; i < t.size(); ++i) {
      if (!needs[i]) continue;
      t[i] = t[i].view_as(t[i]);
      inputs.push_back(t[i]);
      places.push_back(i);
    }
    const at::Tensor out =
        perceptron_plain({t[kInputX], t[kInputY], t[kInputZ]}, {t[kW1], t[kB1], t[kW2], t[kB2]},
                         given.activation, given.residual);
    const Variables found =
        torch::autograd::grad({out}, inputs, {d_out}, /*retain_graph=*/true, /*create_graph=*/true);
    for (size_t k = 0; k < places.size(); ++k) d[places[k]] = found[k];
  }
};

at::Tensor run_autograd(const PerceptronArgs& args) {
  const PerceptronTensors t = tensors_of(args);
  bool needs_grad = false;
  for (const at::Tensor& tensor : t) needs_grad |= tensor.defined() && tensor.requires_grad();
  if (!needs_grad || !at::GradMode::is_enabled()) {
    at::AutoDispatchBelowADInplaceOrView below;
    return call_op(args);
  }
  if (!runs_fused(args)) {
    check(args);
    return plain(args);
  }
  return PerceptronFunction::apply(t[kInputX], optional(t[kInputY]), optional(t[kInputZ]), t[kW1],
                                   t[kB1], t[kW2], optional(t[kB2]), args.activation,
                                   args.residual);
}

}  // namespace

at::Tensor perceptron(const PerceptronInput& input, const PerceptronWeights& weights,
                      Activation activation, bool residual) {
  return call_op(
      {.input = input, .weights = weights, .activation = activation, .residual = residual});
}

TORCH_LIBRARY_IMPL(tessera, CPU, m) {
  m.impl("perceptron", TORCH_FN((gather<run, at::Tensor>)));
  m.impl("perceptron_forward", TORCH_FN((gather<run_forward_cpu, Pair>)));
  m.impl("perceptron_backward", TORCH_FN((gather<run_backward_cpu, Gradients, const at::Tensor&,
                                                 const at::Tensor&, PerceptronNeeds>)));
}

TORCH_LIBRARY_IMPL(tessera, CUDA, m) { m.impl("perceptron", TORCH_FN((gather<run, at::Tensor>))); }

TORCH_LIBRARY_IMPL(tessera, Meta, m) {
  m.impl("perceptron", TORCH_FN((gather<run_meta, at::Tensor>)));
  m.impl("perceptron_forward", TORCH_FN((gather<run_forward_meta, Pair>)));
  m.impl("perceptron_backward", TORCH_FN((gather<run_backward_meta, Gradients, const at::Tensor&,
                                                 const at::Tensor&, PerceptronNeeds>)));
}

TORCH_LIBRARY_IMPL(tessera, Autograd, m) {
  m.impl("perceptron", TORCH_FN((gather<run_autograd, at::Tensor>)));
}

}  // namespace tessera::ops
