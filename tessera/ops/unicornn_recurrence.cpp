#include "tessera/ops/unicornn_recurrence.h"

#include <cmath>
#include <string>
#include <tuple>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "tessera/core/error.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/dispatch.h"
#include "tessera/ops/unicornn_recurrence_args.h"

namespace tessera::ops {

UnicornnTensors tensors_of(const UnicornnArgs& a) {
  return {a.q, a.oscillators.w, a.oscillators.c, a.start.y, a.start.z, a.mask};
}

namespace {

[[noreturn]] void fail_shape(const std::string& rule, const at::Tensor& got) {
  fail<InvalidArgument>(
      {.where = "unicornn_recurrence", .rule = rule, .got = describe(got), .id = "T-OSC-01"});
}

void expect(const at::Tensor& tensor, const char* name, at::IntArrayRef sizes) {
  if (tensor.defined() && tensor.sizes() == sizes) return;
  fail_shape(fmt::format("{} must be ({})", name, fmt::join(sizes, ", ")), tensor);
}

/// The dtype of states: that of q, but float for the half precisions, in which a state cannot be
/// rebuilt.
at::ScalarType state_dtype(const at::Tensor& q) {
  return at::isReducedFloatingType(q.scalar_type()) ? at::kFloat : q.scalar_type();
}

}  // namespace

void check(const UnicornnArgs& args) {
  const at::Tensor& q = args.q;
  if (!q.defined() || q.dim() != 3) fail_shape("q must be (T, B, H)", q);
  const int64_t batch = q.size(1), width = q.size(2);
  if (q.size(0) == 0 || batch == 0) fail_shape("q must have at least one step and sample", q);
  expect(args.oscillators.w, "w", {width});
  expect(args.oscillators.c, "c", {width});
  if (args.start.y.defined()) expect(args.start.y, "y0", {batch, width});
  if (args.start.z.defined()) expect(args.start.z, "z0", {batch, width});
  if (args.mask.defined()) expect(args.mask, "mask", {batch, width});
  for (const at::Tensor& tensor : tensors_of(args)) {
    if (!tensor.defined()) continue;
    const bool is_state = tensor.is_same(args.start.y) || tensor.is_same(args.start.z);
    const at::ScalarType expected = is_state ? state_dtype(q) : q.scalar_type();
    if (tensor.scalar_type() == expected && tensor.device() == q.device()) continue;
    fail<InvalidArgument>({.where = "unicornn_recurrence",
                           .rule = "all arguments must have one device and the dtype of q (y0 and "
                                   "z0 float32 where that is half)",
                           .got = describe(q) + " and " + describe(tensor),
                           .next = "Cast the inputs or the weights.",
                           .id = "T-OSC-02"});
  }
  const auto& [w, c, dt, alpha] = args.oscillators;
  if (!(dt > 0) || !(alpha >= 0) || !std::isfinite(dt) || !std::isfinite(alpha)) {
    fail<InvalidArgument>({.where = "unicornn_recurrence",
                           .rule = "dt must be above 0 and alpha at least 0",
                           .got = fmt::format("{} and {}", dt, alpha),
                           .id = "T-OSC-03"});
  }
}

// ---- Registered functions -----------------------------------------------------------------------

namespace {

using Triple = std::tuple<at::Tensor, at::Tensor, at::Tensor>;
using Gradients =
    std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

/// Calls function(lead…, the arguments as the schema lists them).
template <class Function, class... Lead>
auto spread(const UnicornnArgs& a, const Function& function, const Lead&... lead) {
  return function(lead..., a.q, a.oscillators.w, a.oscillators.c, optional(a.start.y),
                  optional(a.start.z), optional(a.mask), a.oscillators.dt, a.oscillators.alpha,
                  a.sequence);
}

/// A function of UnicornnArgs with the schema's parameter list; Lead are parameters before it.
template <auto body, class Result, class... Lead>
Result gather(Lead... lead, const at::Tensor& q, const at::Tensor& w, const at::Tensor& c,
              const OptionalTensor& y0, const OptionalTensor& z0, const OptionalTensor& mask,
              double dt, double alpha, bool sequence) {
  return body(lead..., UnicornnArgs{.q = q,
                                    .oscillators = {w, c, dt, alpha},
                                    .start = {defined_or_not(y0), defined_or_not(z0)},
                                    .mask = defined_or_not(mask),
                                    .sequence = sequence});
}

UnicornnResult plain(const UnicornnArgs& a) {
  return unicornn_recurrence_plain(a.q, a.oscillators, a.start, a.mask, a.sequence);
}

/// Whether the fused kernels take these arguments; else the plain twin does.
bool is_fused(const UnicornnArgs& args) {
  if (args.q.is_cuda()) return unicornn_cuda() != nullptr && unicornn_cuda()->fits(args);
  return (args.q.is_cpu() || args.q.is_meta()) && has_fused_dtype(args.q);
}

Triple run(const UnicornnArgs& args) {
  check(args);
  const UnicornnResult result = !is_fused(args)   ? plain(args)
                                : args.q.is_cpu() ? unicornn_cpu(args)
                                                  : unicornn_cuda()->forward(args);
  return {result.y, result.state.y, result.state.z};
}

Gradients as_tuple(const UnicornnTensors& d) { return {d[0], d[1], d[2], d[3], d[4], d[5]}; }

Gradients run_backward(const OptionalTensor& d_y, const OptionalTensor& d_y_n,
                       const OptionalTensor& d_z_n, const at::Tensor& y_n, const at::Tensor& z_n,
                       UnicornnNeeds needs, const UnicornnArgs& args) {
  check(args);
  const UnicornnCotangents d{defined_or_not(d_y), defined_or_not(d_y_n), defined_or_not(d_z_n)};
  const UnicornnState end{y_n, z_n};
  return as_tuple(args.q.is_cpu() ? unicornn_backward_cpu(d, end, args, needs)
                                  : unicornn_cuda()->backward(d, end, args, needs));
}

Triple run_meta(const UnicornnArgs& a) {
  const auto steps = a.sequence ? a.q.sym_size(0) : c10::SymInt(0);
  const auto batch = a.q.sym_size(1), width = a.q.sym_size(2);
  const auto state = [&] {
    return at::empty_symint({batch, width}, a.q.options().dtype(state_dtype(a.q)));
  };
  return {a.q.new_empty_symint({steps, batch, width}), state(), state()};
}

Gradients run_backward_meta(const OptionalTensor&, const OptionalTensor&, const OptionalTensor&,
                            const at::Tensor&, const at::Tensor&, UnicornnNeeds needs,
                            const UnicornnArgs& args) {
  const UnicornnTensors tensors = tensors_of(args);
  UnicornnTensors d;
  for (size_t i = 0; i < d.size(); ++i) {
    if (needs[i]) d[i] = at::empty_symint(tensors[i].sym_sizes(), tensors[i].options());
  }
  return as_tuple(d);
}

// ---- Gradient -----------------------------------------------------------------------------------

using ForwardSignature = decltype(gather<run, Triple>);
using BackwardSignature =
    decltype(gather<run_backward, Gradients, const OptionalTensor&, const OptionalTensor&,
                    const OptionalTensor&, const at::Tensor&, const at::Tensor&, UnicornnNeeds>);

Triple call_op(const UnicornnArgs& args) {
  static const auto op = operator_handle<ForwardSignature>("tessera::unicornn_recurrence");
  return spread(args, [&](const auto&... a) { return op.call(a...); });
}

struct RecurrenceFunction : torch::autograd::Function<RecurrenceFunction> {
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  static Variables forward(Context* context, const at::Tensor& q, const at::Tensor& w,
                           const at::Tensor& c, const OptionalTensor& y0, const OptionalTensor& z0,
                           const OptionalTensor& mask, double dt, double alpha, bool sequence) {
    const auto given = defined_or_not;
    at::AutoDispatchBelowADInplaceOrView below;
    auto [y, y_n, z_n] = call_op({.q = q,
                                  .oscillators = {w, c, dt, alpha},
                                  .start = {given(y0), given(z0)},
                                  .mask = given(mask),
                                  .sequence = sequence});
    context->set_materialize_grads(false);
    context->save_for_backward({q, w, c, given(y0), given(z0), given(mask), y_n, z_n});
    context->saved_data["dt"] = dt;
    context->saved_data["alpha"] = alpha;
    context->saved_data["sequence"] = sequence;
    return {y, y_n, z_n};
  }

  static Variables backward(Context* context, Variables d) {
    const Variables kept = context->get_saved_variables();
    const UnicornnArgs args{
        .q = kept[kDrive],
        .oscillators = {kept[kW], kept[kC], context->saved_data["dt"].toDouble(),
                        context->saved_data["alpha"].toDouble()},
        .start = {kept[kY0], kept[kZ0]},
        .mask = kept[kMask],
        .sequence = context->saved_data["sequence"].toBool()};
    UnicornnNeeds needs;
    size_t place = 0;  // absent inputs have none
    for (size_t i = 0; i < needs.size(); ++i) {
      needs[i] = kept[i].defined() && context->needs_input_grad(place++);
    }
    Variables result(kNumUnicornnTensors + 3);  // nothing flows to the options
    if (at::GradMode::is_enabled()) {
      differentiate_plain(args, needs, d, result);
      return result;
    }
    static const auto op =
        operator_handle<BackwardSignature>("tessera::unicornn_recurrence_backward");
    const Gradients found = spread(
        args, [&](const auto&... a) { return op.call(a...); }, optional(d[0]), optional(d[1]),
        optional(d[2]), kept[kNumUnicornnTensors], kept[kNumUnicornnTensors + 1], needs);
    std::apply(
        [&](const auto&... g) {
          result = {g..., at::Tensor(), at::Tensor(), at::Tensor()};
        },
        found);
    return result;
  }

  /// Gradients that can be differentiated again: those of the plain composition, of aliases of the
  /// inputs, so that a path from one input to another outside this operator is not counted here.
  static void differentiate_plain(const UnicornnArgs& given, const UnicornnNeeds& needs,
                                  const Variables& d, Variables& result) {
    UnicornnTensors t = tensors_of(given);
    Variables inputs;
    std::vector<size_t> places;
    for (size_t i = 0; i < t.size(); ++i) {
      if (!needs[i]) continue;
      t[i] = t[i].view_as(t[i]);
      inputs.push_back(t[i]);
      places.push_back(i);
    }
    const UnicornnResult again = unicornn_recurrence_plain(
        t[kDrive], {t[kW], t[kC], given.oscillators.dt, given.oscillators.alpha}, {t[kY0], t[kZ0]},
        t[kMask], given.sequence);
    Variables outputs, cotangents;
    const Variables all = {again.y, again.state.y, again.state.z};
    for (size_t i = 0; i < all.size(); ++i) {
      if (!d[i].defined() || !all[i].requires_grad()) continue;
      outputs.push_back(all[i]);
      cotangents.push_back(d[i]);
    }
    if (outputs.empty() || inputs.empty()) return;
    const Variables found =
        torch::autograd::grad(outputs, inputs, cotangents, /*retain_graph=*/true,
                              /*create_graph=*/true, /*allow_unused=*/true);
    for (size_t k = 0; k < places.size(); ++k) result[places[k]] = found[k];
  }
};

Triple run_autograd(const UnicornnArgs& args) {
  const UnicornnTensors t = tensors_of(args);
  bool needs_grad = false;
  for (const at::Tensor& tensor : t) needs_grad |= tensor.defined() && tensor.requires_grad();
  if (!needs_grad || !at::GradMode::is_enabled()) {
    at::AutoDispatchBelowADInplaceOrView below;
    return call_op(args);
  }
  check(args);
  if (!is_fused(args)) {
    const UnicornnResult result = plain(args);
    return {result.y, result.state.y, result.state.z};
  }
  const auto out = RecurrenceFunction::apply(
      t[kDrive], t[kW], t[kC], optional(t[kY0]), optional(t[kZ0]), optional(t[kMask]),
      args.oscillators.dt, args.oscillators.alpha, args.sequence);
  return {out[0], out[1], out[2]};
}

}  // namespace

UnicornnResult unicornn_recurrence(const at::Tensor& q, const UnicornnOscillators& oscillators,
                                   const UnicornnState& start, const at::Tensor& mask,
                                   bool sequence) {
  auto [y, y_n, z_n] = call_op(
      {.q = q, .oscillators = oscillators, .start = start, .mask = mask, .sequence = sequence});
  return {.y = y, .state = {y_n, z_n}};
}

const UnicornnDevice*& unicornn_cuda() {
  static const UnicornnDevice* device = nullptr;
  return device;
}

#define TESSERA_UNICORNN_BACKWARD                                                         \
  TORCH_FN((gather<run_backward, Gradients, const OptionalTensor&, const OptionalTensor&, \
                   const OptionalTensor&, const at::Tensor&, const at::Tensor&, UnicornnNeeds>))

TORCH_LIBRARY_IMPL(tessera, CPU, m) {
  m.impl("unicornn_recurrence", TORCH_FN((gather<run, Triple>)));
  m.impl("unicornn_recurrence_backward", TESSERA_UNICORNN_BACKWARD);
}

TORCH_LIBRARY_IMPL(tessera, CUDA, m) {
  m.impl("unicornn_recurrence", TORCH_FN((gather<run, Triple>)));
  m.impl("unicornn_recurrence_backward", TESSERA_UNICORNN_BACKWARD);
}

TORCH_LIBRARY_IMPL(tessera, Meta, m) {
  m.impl("unicornn_recurrence", TORCH_FN((gather<run_meta, Triple>)));
  m.impl("unicornn_recurrence_backward",
         TORCH_FN(
             (gather<run_backward_meta, Gradients, const OptionalTensor&, const OptionalTensor&,
                     const OptionalTensor&, const at::Tensor&, const at::Tensor&, UnicornnNeeds>)));
}

TORCH_LIBRARY_IMPL(tessera, Autograd, m) {
  m.impl("unicornn_recurrence", TORCH_FN((gather<run_autograd, Triple>)));
}

}  // namespace tessera::ops
