#include "tessera/ops/unicornn_stack.h"

#include <string>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "tessera/core/error.h"
#include "tessera/ops/autocast.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/dispatch.h"
#include "tessera/ops/unicornn_stack_args.h"

namespace tessera::ops {

std::vector<at::Tensor> tensors_of(const UnicornnStackArgs& args) {
  std::vector<at::Tensor> tensors = {args.x, args.masks, args.start.y, args.start.z};
  for (const UnicornnStackLayer& layer : args.layers) {
    for (const at::Tensor* tensor : {&layer.v, &layer.b, &layer.w, &layer.c, &layer.residual}) {
      tensors.push_back(*tensor);
    }
  }
  return tensors;
}

namespace {

/// The arguments with other tensors, in the order of tensors_of.
UnicornnStackArgs with_tensors(const std::vector<at::Tensor>& tensors,
                               const std::vector<double>& dt, const UnicornnStackOptions& options) {
  UnicornnStackArgs args{.x = tensors[kStackX],
                         .masks = tensors[kStackMasks],
                         .start = {tensors[kStackY0], tensors[kStackZ0]},
                         .options = options};
  for (size_t l = 0; l < dt.size(); ++l) {
    const at::Tensor* own = &tensors[kStackLayers + l * kLayerTensors];
    args.layers.push_back({.v = own[kLayerV],
                           .b = own[kLayerB],
                           .w = own[kLayerW],
                           .c = own[kLayerC],
                           .residual = own[kLayerResidual],
                           .dt = dt[l]});
  }
  return args;
}

UnicornnStackResult plain(const UnicornnStackArgs& a) {
  return unicornn_stack_plain(a.x, a.layers, a.masks, a.start, a.options);
}

void expect(const at::Tensor& tensor, const std::string& name, at::IntArrayRef sizes) {
  if (tensor.defined() && tensor.sizes() == sizes) return;
  fail<InvalidArgument>({.where = "unicornn_stack",
                         .rule = fmt::format("{} must be ({})", name, fmt::join(sizes, ", ")),
                         .got = describe(tensor),
                         .id = "T-OSC-04"});
}

void check(const UnicornnStackArgs& args) {
  const at::Tensor& x = args.x;
  if (!x.defined() || x.dim() != 3 || x.size(0) == 0 || x.size(1) == 0) {
    fail<InvalidArgument>({.where = "unicornn_stack",
                           .rule = "x must be (T, B, D) with at least one step and sample",
                           .got = describe(x),
                           .id = "T-OSC-05"});
  }
  if (args.layers.empty()) {
    fail<InvalidArgument>(
        {.where = "unicornn_stack", .rule = "a stack has a layer", .id = "T-OSC-06"});
  }
  const int64_t width = args.layers.front().w.numel(), reach = args.options.skip + 1;
  const std::vector<int64_t> planes = {args.num_layers(), x.size(1), width};
  if (args.masks.defined()) expect(args.masks, "masks", planes);
  if (args.start.y.defined()) expect(args.start.y, "y0", planes);
  if (args.start.z.defined()) expect(args.start.z, "z0", planes);
  for (int64_t l = 0; l < args.num_layers(); ++l) {
    const UnicornnStackLayer& layer = args.layers[static_cast<size_t>(l)];
    const std::string of = fmt::format(" of layer {}", l);
    expect(layer.v, "v" + of, {width, l == 0 ? x.size(2) : width});
    expect(layer.b, "b" + of, {width});
    expect(layer.w, "w" + of, {width});
    expect(layer.c, "c" + of, {width});
    const bool has_map = args.options.residual == UnicornnResidual::kLearned && l >= reach;
    if (has_map) expect(layer.residual, "residual" + of, {width, width});
  }
  for (const at::Tensor& tensor : tensors_of(args)) {
    if (!tensor.defined()) continue;
    if (tensor.scalar_type() == x.scalar_type() && tensor.device() == x.device()) continue;
    fail<InvalidArgument>({.where = "unicornn_stack",
                           .rule = "all arguments must have one dtype and device",
                           .got = describe(x) + " and " + describe(tensor),
                           .next = "Cast the inputs or the weights.",
                           .id = "T-OSC-07"});
  }
}

bool is_fused(const UnicornnStackArgs& args) {
  return args.x.is_cpu() && has_fused_dtype(args.x) &&
         args.options.backward != UnicornnBackwardMode::kStore;
}

// ---- Gradient -----------------------------------------------------------------------------------

/// The tensors that are there, and where: autograd takes no undefined ones.
struct Present {
  std::vector<at::Tensor> tensors;
  std::vector<int64_t> places;
  int64_t count = 0;  // with the absent ones

  explicit Present(const std::vector<at::Tensor>& all) : count(static_cast<int64_t>(all.size())) {
    for (int64_t i = 0; i < count; ++i) {
      if (!all[static_cast<size_t>(i)].defined()) continue;
      tensors.push_back(all[static_cast<size_t>(i)]);
      places.push_back(i);
    }
  }
  /// Values of the present ones, undefined ones between.
  static std::vector<at::Tensor> spread(at::TensorList present, const std::vector<int64_t>& places,
                                        int64_t count) {
    std::vector<at::Tensor> all(static_cast<size_t>(count));
    for (size_t k = 0; k < places.size(); ++k) all[static_cast<size_t>(places[k])] = present[k];
    return all;
  }
};

struct StackFunction : torch::autograd::Function<StackFunction> {
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  static Variables forward(Context* context, at::TensorList present,
                           const std::vector<int64_t>& places, const std::vector<double>& dt,
                           const UnicornnStackOptions& options) {
    const auto count = kStackLayers + static_cast<int64_t>(dt.size()) * kLayerTensors;
    const Variables tensors = Present::spread(present, places, count);
    const UnicornnStackArgs args = with_tensors(tensors, dt, options);
    at::AutoDispatchBelowADInplaceOrView below;
    UnicornnStackKept kept = unicornn_stack_cpu(args, /*keep=*/true);
    const auto& [y, y_n, z_n] = kept.result;

    Variables saved = tensors;
    saved.push_back(y_n);
    saved.push_back(z_n);
    saved.insert(saved.end(), kept.drives.begin(), kept.drives.end());
    context->set_materialize_grads(false);
    context->save_for_backward(std::move(saved));
    context->saved_data["parts"] = kept.parts;
    context->saved_data["places"] = places;
    context->saved_data["dt"] = dt;
    context->saved_data["alpha"] = options.alpha;
    context->saved_data["residual"] = static_cast<int64_t>(options.residual);
    context->saved_data["skip"] = options.skip;
    context->saved_data["backward"] = static_cast<int64_t>(options.backward);
    context->saved_data["sequence"] = options.sequence;
    return {y, y_n, z_n};
  }

  static Variables backward(Context* context, Variables d) {
    auto& data = context->saved_data;
    const std::vector<double> dt = data["dt"].toDoubleVector();
    const UnicornnStackOptions options = {
        .alpha = data["alpha"].toDouble(),
        .residual = static_cast<UnicornnResidual>(data["residual"].toInt()),
        .skip = data["skip"].toInt(),
        .backward = static_cast<UnicornnBackwardMode>(data["backward"].toInt()),
        .sequence = data["sequence"].toBool()};
    const Variables saved = context->get_saved_variables();
    const auto count = kStackLayers + static_cast<int64_t>(dt.size()) * kLayerTensors;
    Variables tensors(saved.begin(), saved.begin() + count);
    const std::vector<int64_t> places = data["places"].toIntVector();
    std::vector<bool> needs(tensors.size(), false);
    for (size_t k = 0; k < places.size(); ++k) {
      needs[static_cast<size_t>(places[k])] = context->needs_input_grad(k);
    }
    Variables all(tensors.size());
    // Of the present ones, then of the three options, to which nothing flows.
    const auto of_present = [&] {
      Variables result;
      for (const int64_t place : places) result.push_back(all[static_cast<size_t>(place)]);
      result.resize(places.size() + 3);
      return result;
    };
    if (at::GradMode::is_enabled()) {
      differentiate_plain(tensors, dt, options, needs, d, all);
      return of_present();
    }
    const Variables drives(saved.begin() + count + 2, saved.end());
    const Variables found = unicornn_stack_backward_cpu(
        {d[0], d[1], d[2]}, {saved[tensors.size()], saved[tensors.size() + 1]}, drives,
        data["parts"].toInt(), with_tensors(tensors, dt, options), needs);
    std::copy(found.begin(), found.end(), all.begin());
    return of_present();
  }

  /// Gradients that can be differentiated again: those of the plain composition, of aliases of the
  /// inputs, so that a path from one input to another outside this function is not counted here.
  static void differentiate_plain(Variables tensors, const std::vector<double>& dt,
                                  const UnicornnStackOptions& options,
                                  const std::vector<bool>& needs, const Variables& d,
                                  Variables& result) {
    Variables inputs;
    std::vector<size_t> places;
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (!needs[i]) continue;
      tensors[i] = tensors[i].view_as(tensors[i]);
      inputs.push_back(tensors[i]);
      places.push_back(i);
    }
    const UnicornnStackResult again = plain(with_tensors(tensors, dt, options));
    Variables outputs, cotangents;
    const Variables all = {again.y, again.y_n, again.z_n};
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

}  // namespace

UnicornnStackResult unicornn_stack(const at::Tensor& x,
                                   const std::vector<UnicornnStackLayer>& layers,
                                   const at::Tensor& masks, const UnicornnState& start,
                                   const UnicornnStackOptions& options) {
  if (is_autocast(x)) {
    const NoAutocast guard;
    return unicornn_stack(widened(x), layers, widened(masks),
                          {.y = widened(start.y), .z = widened(start.z)}, options);
  }
  const UnicornnStackArgs args{
      .x = x, .masks = masks, .start = start, .layers = layers, .options = options};
  check(args);
  if (!is_fused(args)) return plain(args);

  const std::vector<at::Tensor> tensors = tensors_of(args);
  bool needs_grad = false;
  for (const at::Tensor& tensor : tensors) {
    needs_grad |= tensor.defined() && tensor.requires_grad();
  }
  if (!needs_grad || !at::GradMode::is_enabled()) {
    return unicornn_stack_cpu(args, /*keep=*/false).result;
  }
  std::vector<double> dt;
  for (const UnicornnStackLayer& layer : layers) dt.push_back(layer.dt);
  const Present present(tensors);
  const auto out =
      StackFunction::apply(at::TensorList(present.tensors), present.places, dt, options);
  return {.y = out[0], .y_n = out[1], .z_n = out[2]};
}

}  // namespace tessera::ops
