#include "tessera/ops/aggregated_conv2d.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <tuple>

#include "tessera/core/error.h"
#include "tessera/ops/aggregated_conv2d_forms.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/dispatch.h"

namespace tessera::ops {
namespace {

using Pair = std::tuple<at::Tensor, at::Tensor>;
using Five = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

[[noreturn]] void refuse(const std::string& rule, const at::Tensor& got) {
  fail<InvalidArgument>(
      {.where = "aggregated_conv2d", .rule = rule, .got = describe(got), .id = "T-AGG-01"});
}

void check(const AggregatedConv& it) {
  const AggregatedConvOptions& o = it.options;
  if (o.stride < 1 || o.padding < 0 || o.dilation < 1 || o.groups < 1) {
    fail<InvalidArgument>(
        {.where = "aggregated_conv2d",
         .rule = "stride, dilation and groups are at least 1 and padding at least 0",
         .got = fmt::format("{}, {}, {} and {}", o.stride, o.dilation, o.groups, o.padding),
         .id = "T-AGG-02"});
  }
  if (it.weight.dim() != 5 || it.weight.size(0) < 1 || it.weight.size(3) != it.weight.size(4) ||
      it.weight.size(3) < 1 || it.weight.size(1) % o.groups != 0) {
    refuse(fmt::format("weight must be (E, O, I/groups, k, k) with O a multiple of {} groups",
                       o.groups),
           it.weight);
  }
  const int64_t sources = it.weight.size(0), out = it.weight.size(1),
                in = it.weight.size(2) * o.groups;
  if (it.x.dim() != 4 || it.x.size(0) < 1 || it.x.size(1) != in) {
    refuse(fmt::format("x must be (B, {}, H, W) with B at least 1", in), it.x);
  }
  if (it.out_height() < 1 || it.out_width() < 1) {
    refuse(fmt::format("x must not be smaller than the {0}x{0} kernel", it.kernel()), it.x);
  }
  const int64_t samples = it.x.size(0);
  if (it.gates.dim() != 2 || (it.gates.size(0) != samples && it.gates.size(0) != 1) ||
      it.gates.size(1) != sources) {
    refuse(fmt::format("gates must be ({}, {}) or (1, {})", samples, sources, sources), it.gates);
  }
  if (it.align.defined() && it.align.sizes() != at::IntArrayRef({sources * out, out, 1, 1})) {
    refuse(fmt::format("align must be ({}, {}, 1, 1)", sources * out, out), it.align);
  }
  if (it.bias.defined() && it.bias.sizes() != at::IntArrayRef({sources, out})) {
    refuse(fmt::format("bias must be ({}, {})", sources, out), it.bias);
  }
  for (const at::Tensor* tensor : {&it.gates, &it.weight, &it.align, &it.bias}) {
    if (!tensor->defined()) continue;
    if (tensor->scalar_type() == it.x.scalar_type() && tensor->device() == it.x.device()) continue;
    fail<InvalidArgument>({.where = "aggregated_conv2d",
                           .rule = "all arguments must have one dtype and device",
                           .got = describe(it.x) + " and " + describe(*tensor),
                           .next = "Cast the inputs or the weights.",
                           .id = "T-AGG-03"});
  }
}

AggregatedConv checked(const at::Tensor& x, const at::Tensor& gates, const at::Tensor& weight,
                       const OptionalTensor& align, const OptionalTensor& bias, int64_t stride,
                       int64_t padding, int64_t dilation, int64_t groups) {
  AggregatedConv it{
      .x = x,
      .gates = gates,
      .weight = weight,
      .align = defined_or_not(align),
      .bias = defined_or_not(bias),
      .options = {.stride = stride, .padding = padding, .dilation = dilation, .groups = groups}};
  check(it);
  return it;
}

at::Tensor plain(const AggregatedConv& it) {
  return aggregated_conv2d_plain(it.x, it.gates, it.weight, it.align, it.bias, it.options);
}

// ---- Registered functions -----------------------------------------------------------------------

at::Tensor run(const at::Tensor& x, const at::Tensor& gates, const at::Tensor& weight,
               const OptionalTensor& align, const OptionalTensor& bias, int64_t stride,
               int64_t padding, int64_t dilation, int64_t groups) {
  const AggregatedConv it =
      checked(x, gates, weight, align, bias, stride, padding, dilation, groups);
  return aggregate(it, form_of(it, /*with_gradient=*/false), /*keep=*/false).y;
}

/// What lies in `saved` depends on the form that sizes choose, so that backward knows it too.
Pair run_forward(const at::Tensor& x, const at::Tensor& gates, const at::Tensor& weight,
                 const OptionalTensor& align, const OptionalTensor& bias, int64_t stride,
                 int64_t padding, int64_t dilation, int64_t groups) {
  const AggregatedConv it =
      checked(x, gates, weight, align, bias, stride, padding, dilation, groups);
  AggregatedKept kept = aggregate(it, form_of(it, /*with_gradient=*/true), /*keep=*/true);
  if (!kept.saved.defined()) kept.saved = at::empty({0}, it.x.options());
  return {kept.y, kept.saved};
}

Five run_backward(const at::Tensor& d_y, const at::Tensor& saved, AggregatedNeeds needs,
                  const at::Tensor& x, const at::Tensor& gates, const at::Tensor& weight,
                  const OptionalTensor& align, const OptionalTensor& bias, int64_t stride,
                  int64_t padding, int64_t dilation, int64_t groups) {
  const AggregatedConv it =
      checked(x, gates, weight, align, bias, stride, padding, dilation, groups);
  AggregatedGradients d =
      aggregate_backward(it, form_of(it, /*with_gradient=*/true), d_y, saved, needs);
  if (d[0].defined()) d[0] = d[0].contiguous(at::MemoryFormat::ChannelsLast);
  return {d[0], d[1], d[2], d[3], d[4]};
}

at::Tensor output_like(const AggregatedConv& it) {
  return at::empty({it.samples(), it.out_channels(), it.out_height(), it.out_width()},
                   it.x.options().memory_format(at::MemoryFormat::ChannelsLast));
}

at::Tensor run_meta(const at::Tensor& x, const at::Tensor& gates, const at::Tensor& weight,
                    const OptionalTensor& align, const OptionalTensor& bias, int64_t stride,
                    int64_t padding, int64_t dilation, int64_t groups) {
  return output_like(checked(x, gates, weight, align, bias, stride, padding, dilation, groups));
}

Pair run_forward_meta(const at::Tensor& x, const at::Tensor& gates, const at::Tensor& weight,
                      const OptionalTensor& align, const OptionalTensor& bias, int64_t stride,
                      int64_t padding, int64_t dilation, int64_t groups) {
  const AggregatedConv it =
      checked(x, gates, weight, align, bias, stride, padding, dilation, groups);
  at::Tensor saved = it.x.new_empty({0});
  if (form_of(it, /*with_gradient=*/true) == AggregatedForm::kOutputs) {
    saved = it.x.new_empty({it.samples() * it.positions(), it.sources() * it.out_channels()});
  } else if (it.align.defined()) {
    saved = it.weight.new_empty(it.weight.sizes());
  }
  return {output_like(it), saved};
}

Five run_backward_meta(const at::Tensor&, const at::Tensor&, AggregatedNeeds needs,
                       const at::Tensor& x, const at::Tensor& gates, const at::Tensor& weight,
                       const OptionalTensor& align, const OptionalTensor& bias, int64_t, int64_t,
                       int64_t, int64_t) {
  const auto like = [&](size_t i, const at::Tensor& tensor) {
    return needs[i] && tensor.defined() ? tensor.new_empty(tensor.sizes()) : at::Tensor();
  };
  const at::Tensor d_x =
      needs[0] ? at::empty(x.sizes(), x.options().memory_format(at::MemoryFormat::ChannelsLast))
               : at::Tensor();
  return {d_x, like(1, gates), like(2, weight), like(3, defined_or_not(align)),
          like(4, defined_or_not(bias))};
}

// ---- Gradient -----------------------------------------------------------------------------------

struct AggregatedFunction : torch::autograd::Function<AggregatedFunction> {
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  static at::Tensor forward(Context* context, const at::Tensor& x, const at::Tensor& gates,
                            const at::Tensor& weight, const OptionalTensor& align,
                            const OptionalTensor& bias, int64_t stride, int64_t padding,
                            int64_t dilation, int64_t groups) {
    static const auto op =
        operator_handle<decltype(run_forward)>("tessera::aggregated_conv2d_forward");
    at::AutoDispatchBelowADInplaceOrView below;
    auto [y, saved] = op.call(x, gates, weight, align, bias, stride, padding, dilation, groups);
    context->save_for_backward(
        {x, gates, weight, defined_or_not(align), defined_or_not(bias), saved});
    context->saved_data["options"] = std::vector<int64_t>{stride, padding, dilation, groups};
    return y;
  }

  static Variables backward(Context* context, Variables d) {
    const Variables kept = context->get_saved_variables();
    const std::vector<int64_t> o = context->saved_data["options"].toIntVector();
    AggregatedNeeds needs{};
    // An absent input has no place of its own.
    for (size_t i = 0, place = 0; i < needs.size(); ++i) {
      if (kept[i].defined()) needs[i] = context->needs_input_grad(place++);
    }
    Variables result(9);
    if (at::GradMode::is_enabled()) {
      // A second derivative is asked for: through the plain twin.
      const AggregatedConv it = checked(kept[0], kept[1], kept[2], optional(kept[3]),
                                        optional(kept[4]), o[0], o[1], o[2], o[3]);
      Variables wanted;
      for (size_t i = 0; i < needs.size(); ++i) {
        if (needs[i]) wanted.push_back(kept[i]);
      }
      const Variables found =
          torch::autograd::grad({plain(it)}, wanted, {d[0]}, /*retain_graph=*/true,
                                /*create_graph=*/true);
      for (size_t i = 0, next = 0; i < needs.size(); ++i) {
        if (needs[i]) result[i] = found[next++];
      }
      return result;
    }
    static const auto op =
        operator_handle<decltype(run_backward)>("tessera::aggregated_conv2d_backward");
    std::tie(result[0], result[1], result[2], result[3], result[4]) =
        op.call(d[0], kept[5], needs, kept[0], kept[1], kept[2], optional(kept[3]),
                optional(kept[4]), o[0], o[1], o[2], o[3]);
    return result;
  }
};

at::Tensor call(const at::Tensor& x, const at::Tensor& gates, const at::Tensor& weight,
                const OptionalTensor& align, const OptionalTensor& bias, int64_t stride,
                int64_t padding, int64_t dilation, int64_t groups) {
  static const auto op = operator_handle<decltype(run)>("tessera::aggregated_conv2d");
  return op.call(x, gates, weight, align, bias, stride, padding, dilation, groups);
}

at::Tensor run_autograd(const at::Tensor& x, const at::Tensor& gates, const at::Tensor& weight,
                        const OptionalTensor& align, const OptionalTensor& bias, int64_t stride,
                        int64_t padding, int64_t dilation, int64_t groups) {
  bool needs_grad = x.requires_grad() || gates.requires_grad() || weight.requires_grad();
  for (const OptionalTensor* tensor : {&align, &bias}) {
    needs_grad |= tensor->has_value() && (*tensor)->requires_grad();
  }
  if (needs_grad && at::GradMode::is_enabled()) {
    return AggregatedFunction::apply(x, gates, weight, align, bias, stride, padding, dilation,
                                     groups);
  }
  at::AutoDispatchBelowADInplaceOrView below;
  return call(x, gates, weight, align, bias, stride, padding, dilation, groups);
}

}  // namespace

at::Tensor aggregated_conv2d(const at::Tensor& x, const at::Tensor& gates, const at::Tensor& weight,
                             const at::Tensor& align, const at::Tensor& bias,
                             const AggregatedConvOptions& options) {
  return call(x, gates, weight, optional(align), optional(bias), options.stride, options.padding,
              options.dilation, options.groups);
}

TORCH_LIBRARY_IMPL(tessera, CPU, m) {
  m.impl("aggregated_conv2d", TORCH_FN(run));
  m.impl("aggregated_conv2d_forward", TORCH_FN(run_forward));
  m.impl("aggregated_conv2d_backward", TORCH_FN(run_backward));
}

TORCH_LIBRARY_IMPL(tessera, CUDA, m) {
  m.impl("aggregated_conv2d", TORCH_FN(run));
  m.impl("aggregated_conv2d_forward", TORCH_FN(run_forward));
  m.impl("aggregated_conv2d_backward", TORCH_FN(run_backward));
}

TORCH_LIBRARY_IMPL(tessera, Meta, m) {
  m.impl("aggregated_conv2d", TORCH_FN(run_meta));
  m.impl("aggregated_conv2d_forward", TORCH_FN(run_forward_meta));
  m.impl("aggregated_conv2d_backward", TORCH_FN(run_backward_meta));
}

TORCH_LIBRARY_IMPL(tessera, Autograd, m) { m.impl("aggregated_conv2d", TORCH_FN(run_autograd)); }

}  // namespace tessera::ops
