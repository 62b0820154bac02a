#include "tessera/ops/grid_linear.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <tuple>

#include "tessera/core/error.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/dispatch.h"
#include "tessera/ops/grid_linear_args.h"

namespace tessera::ops {

const GridLinearDevice*& grid_linear_cuda() {
  static const GridLinearDevice* device = nullptr;
  return device;
}

GridLinearTensors tensors_of(const GridLinearArgs& args) {
  return {args.x, args.weight, args.bias, args.n.weight};
}

namespace {

void expect(bool holds, const std::string& rule, const at::Tensor& got) {
  if (holds) return;
  fail<InvalidArgument>(
      {.where = "grid_linear", .rule = rule, .got = describe(got), .id = "T-GRID-10"});
}

}  // namespace

void check(const GridLinearArgs& args) {
  const auto& [x, weight, bias, n] = args;
  expect(weight.defined() && weight.dim() == 3, "weight must be (K, out, in)", weight);
  const int64_t nodes = weight.size(0), out = weight.size(1), in = weight.size(2);
  expect(x.defined() && x.dim() == 2 && x.size(1) == in, fmt::format("x must be (B, {})", in), x);
  if (bias.defined()) {
    expect(bias.dim() == 2 && bias.size(0) == nodes && bias.size(1) == out,
           fmt::format("bias must be ({}, {})", nodes, out), bias);
  }
  expect(n.weight.defined() && n.weight.dim() == 2 && n.weight.size(0) == x.size(0),
         fmt::format("node weights must be ({}, S)", x.size(0)), n.weight);
  expect(n.index.defined() && n.index.sizes() == n.weight.sizes() &&
             n.index.scalar_type() == at::kLong && n.index.device() == x.device(),
         "the node index must be int64, of the node weights' shape and on x's device", n.index);
  for (const at::Tensor& tensor : tensors_of(args)) {
    if (!tensor.defined()) continue;
    if (tensor.scalar_type() == x.scalar_type() && tensor.device() == x.device()) continue;
    fail<InvalidArgument>({.where = "grid_linear",
                           .rule = "all arguments must have one dtype and device",
                           .got = describe(x) + " and " + describe(tensor),
                           .next = "Cast the inputs or the weights.",
                           .id = "T-GRID-11"});
  }
}

// ---- Registered functions -----------------------------------------------------------------------

namespace {

using Gradients = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>;
using Signature = at::Tensor(const at::Tensor&, const at::Tensor&, const OptionalTensor&,
                             const at::Tensor&, const at::Tensor&);
using BackwardSignature = Gradients(const at::Tensor&, GridLinearNeeds, const at::Tensor&,
                                    const at::Tensor&, const OptionalTensor&, const at::Tensor&,
                                    const at::Tensor&);

/// A function of GridLinearArgs with the schema's parameter list; Lead are parameters before it.
template <auto body, class Result, class... Lead>
Result gather(Lead... lead, const at::Tensor& x, const at::Tensor& weight,
              const OptionalTensor& bias, const at::Tensor& node_index,
              const at::Tensor& node_weight) {
  return body(lead..., GridLinearArgs{x, weight, defined_or_not(bias), {node_index, node_weight}});
}

at::Tensor plain(const GridLinearArgs& args) {
  return grid_linear_plain(args.x, args.weight, args.bias, args.n);
}

/// Gradients of the plain composition, of aliases of the inputs, so that a path from one input to
/// another outside of this operator is not counted here.
GridLinearTensors differentiate_plain(const at::Tensor& d_y, const GridLinearArgs& args,
                                      const GridLinearNeeds& needs, bool create_graph) {
  GridLinearTensors t = tensors_of(args);
  std::vector<at::Tensor> inputs;
  std::vector<size_t> places;
  const at::AutoGradMode enabled(true);
  for (size_t i = 0; i < t.size(); ++i) {
    if (!needs[i] || !t[i].defined()) continue;
    t[i] = create_graph ? t[i].view_as(t[i]) : t[i].detach().requires_grad_();
    inputs.push_back(t[i]);
    places.push_back(i);
  }
  GridLinearTensors d;
  if (inputs.empty()) return d;
  const at::Tensor y =
      grid_linear_plain(t[kGridX], t[kGridWeight], t[kGridBias], {args.n.index, t[kGridNode]});
  const auto found =
      torch::autograd::grad({y}, inputs, {d_y}, /*retain_graph=*/create_graph, create_graph);
  for (size_t k = 0; k < places.size(); ++k) d[places[k]] = found[k];
  return d;
}

const GridLinearDevice* device_of(const GridLinearArgs& args) {
  const GridLinearDevice* cuda = args.x.is_cuda() ? grid_linear_cuda() : nullptr;
  return cuda != nullptr && cuda->fits(args) ? cuda : nullptr;
}

at::Tensor run(const GridLinearArgs& args) {
  check(args);
  if (const GridLinearDevice* device = device_of(args)) return device->forward(args);
  return args.x.is_cpu() && has_fused_dtype(args.x) ? grid_linear_cpu(args) : plain(args);
}

Gradients run_backward(const at::Tensor& d_y, GridLinearNeeds needs, const GridLinearArgs& args) {
  check(args);
  needs[kGridBias] = needs[kGridBias] && args.bias.defined();
  GridLinearTensors d;
  if (const GridLinearDevice* device = device_of(args)) {
    d = device->backward(d_y, args, needs);
  } else if (args.x.is_cpu() && has_fused_dtype(args.x)) {
    d = grid_linear_backward_cpu(d_y, args, needs);
  } else {
    d = differentiate_plain(d_y, args, needs, /*create_graph=*/false);
  }
  return {d[0], d[1], d[2], d[3]};
}

at::Tensor run_meta(const GridLinearArgs& args) {
  return args.x.new_empty_symint({args.x.sym_size(0), args.weight.sym_size(1)});
}

Gradients run_backward_meta(const at::Tensor&, GridLinearNeeds needs, const GridLinearArgs& args) {
  const GridLinearTensors tensors = tensors_of(args);
  GridLinearTensors d;
  for (size_t i = 0; i < d.size(); ++i) {
    if (needs[i] && tensors[i].defined()) {
      d[i] = tensors[i].new_empty_symint(tensors[i].sym_sizes());
    }
  }
  return {d[0], d[1], d[2], d[3]};
}

// ---- Gradient -----------------------------------------------------------------------------------

at::Tensor call_op(const GridLinearArgs& args) {
  static const auto op = operator_handle<Signature>("tessera::grid_linear");
  return op.call(args.x, args.weight, optional(args.bias), args.n.index, args.n.weight);
}

struct GridLinearFunction : torch::autograd::Function<GridLinearFunction> {
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  static at::Tensor forward(Context* context, const at::Tensor& x, const at::Tensor& weight,
                            const OptionalTensor& bias, const at::Tensor& index,
                            const at::Tensor& node_weight) {
    context->save_for_backward({x, weight, defined_or_not(bias), index, node_weight});
    at::AutoDispatchBelowADInplaceOrView below;
    return call_op({x, weight, defined_or_not(bias), {index, node_weight}});
  }

  static Variables backward(Context* context, Variables d_y) {
    const Variables kept = context->get_saved_variables();
    const GridLinearArgs args{kept[0], kept[1], kept[2], {kept[3], kept[4]}};
    const bool has_bias = args.bias.defined();
    // An absent bias has no place of its own.
    const size_t index_place = has_bias ? 3 : 2;
    GridLinearNeeds needs = {context->needs_input_grad(0), context->needs_input_grad(1),
                             has_bias && context->needs_input_grad(2),
                             context->needs_input_grad(index_place + 1)};
    GridLinearTensors d;
    if (at::GradMode::is_enabled()) {
      d = differentiate_plain(d_y[0], args, needs, /*create_graph=*/true);
    } else {
      static const auto op = operator_handle<BackwardSignature>("tessera::grid_linear_backward");
      std::tie(d[0], d[1], d[2], d[3]) = op.call(d_y[0], needs, args.x, args.weight,
                                                 optional(args.bias), args.n.index, args.n.weight);
    }
    return {d[kGridX], d[kGridWeight], d[kGridBias], at::Tensor(), d[kGridNode]};
  }
};

at::Tensor run_autograd(const GridLinearArgs& args) {
  bool needs_grad = false;
  for (const at::Tensor& tensor : tensors_of(args)) {
    needs_grad |= tensor.defined() && tensor.requires_grad();
  }
  if (!needs_grad || !at::GradMode::is_enabled()) {
    at::AutoDispatchBelowADInplaceOrView below;
    return call_op(args);
  }
  return GridLinearFunction::apply(args.x, args.weight, optional(args.bias), args.n.index,
                                   args.n.weight);
}

}  // namespace

at::Tensor grid_linear(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                       const NodeWeights& n) {
  return call_op({x, weight, bias, n});
}

TORCH_LIBRARY_IMPL(tessera, CPU, m) {
  m.impl("grid_linear", TORCH_FN((gather<run, at::Tensor>)));
  m.impl("grid_linear_backward",
         TORCH_FN((gather<run_backward, Gradients, const at::Tensor&, GridLinearNeeds>)));
}

TORCH_LIBRARY_IMPL(tessera, CUDA, m) {
  m.impl("grid_linear", TORCH_FN((gather<run, at::Tensor>)));
  m.impl("grid_linear_backward",
         TORCH_FN((gather<run_backward, Gradients, const at::Tensor&, GridLinearNeeds>)));
}

TORCH_LIBRARY_IMPL(tessera, Meta, m) {
  m.impl("grid_linear", TORCH_FN((gather<run_meta, at::Tensor>)));
  m.impl("grid_linear_backward",
         TORCH_FN((gather<run_backward_meta, Gradients, const at::Tensor&, GridLinearNeeds>)));
}

TORCH_LIBRARY_IMPL(tessera, Autograd, m) {
  m.impl("grid_linear", TORCH_FN((gather<run_autograd, at::Tensor>)));
}

}  // namespace tessera::ops
