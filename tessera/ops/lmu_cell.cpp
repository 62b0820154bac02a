#include "tessera/ops/lmu_cell.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <tuple>

#include "tessera/core/error.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/dispatch.h"
#include "tessera/ops/lmu_cell_args.h"

namespace tessera::ops {

void check_lmu_cell(const LmuCellTensors& t) {
  const auto refuse = [](const std::string& rule, const at::Tensor& got) {
    fail<InvalidArgument>(
        {.where = "lmu_cell", .rule = rule, .got = describe(got), .id = "T-LMU-22"});
  };
  if (t[kCellU].dim() != 2) refuse("u must be (T, B)", t[kCellU]);
  if (t[kWm].dim() != 2) refuse("W_m must be (H, N)", t[kWm]);
  const c10::SymInt steps = t[kCellU].sym_size(0), batch = t[kCellU].sym_size(1),
                    hidden = t[kWm].sym_size(0), order = t[kWm].sym_size(1);
  const auto expect = [&](LmuCellPlace place, const char* name, c10::SymIntArrayRef sizes) {
    if (t[place].sym_sizes() == sizes) return;
    refuse(fmt::format("{} must have the sizes that u and W_m imply", name), t[place]);
  };
  expect(kCellH, "h", {steps, batch, hidden});
  expect(kCellH0, "h0", {batch, hidden});
  expect(kCellM0, "m0", {batch, order});
  expect(kEh, "e_h", {1, hidden});
  expect(kEm, "e_m", {1, order});
  expect(kWh, "W_h", {hidden, hidden});
  expect(kCellA, "A", {order, order});
  expect(kCellB, "B", {order, 1});
  for (const at::Tensor& tensor : t) {
    if (tensor.scalar_type() == t[kCellU].scalar_type() && tensor.device() == t[kCellU].device()) {
      continue;
    }
    refuse("all arguments must have one dtype and device, that of u = " + describe(t[kCellU]),
           tensor);
  }
}

namespace {

using Pair = std::tuple<at::Tensor, at::Tensor>;
using Four = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor>;
using Gradients = std::tuple<at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor, at::Tensor,
                             at::Tensor, at::Tensor, at::Tensor, at::Tensor>;

/// Calls function(lead…, the ten arguments).
template <class Function, class... Lead>
auto spread(const LmuCellTensors& t, const Function& function, const Lead&... lead) {
  return function(lead..., t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9]);
}

/// A function of the ten tensors with the schema's parameter list; Lead are parameters before it.
template <auto body, class Result, class... Lead>
Result gather(Lead... lead, const at::Tensor& u, const at::Tensor& h, const at::Tensor& h0,
              const at::Tensor& m0, const at::Tensor& e_h, const at::Tensor& e_m,
              const at::Tensor& W_h, const at::Tensor& W_m, const at::Tensor& A,
              const at::Tensor& B) {
  return body(lead..., LmuCellTensors{u, h, h0, m0, e_h, e_m, W_h, W_m, A, B});
}

Pair plain(const LmuCellTensors& t) {
  const LmuCellResult result = lmu_cell_plain(
      {.u = t[kCellU], .h = t[kCellH], .gate = {}, .h0 = t[kCellH0], .m0 = t[kCellM0]},
      {.e_h = t[kEh],
       .e_m = t[kEm],
       .W_h = t[kWh],
       .W_m = t[kWm],
       .A = t[kCellA],
       .B = t[kCellB],
       .W_fh = {}},
      {});
  return {result.h, result.m_n};
}

bool runs_fused(const LmuCellTensors& t) {
  return !t[kCellU].is_cuda() && has_fused_dtype(t[kCellU]) && t[kCellU].size(0) > 0 &&
         t[kCellU].size(1) > 0;
}

Pair run(const LmuCellTensors& t) {
  check_lmu_cell(t);
  if (!runs_fused(t)) return plain(t);
  const LmuCellKept kept = lmu_cell_cpu(t, /*keep=*/false);
  return {kept.h, kept.m_n};
}

Four run_forward(const LmuCellTensors& t) {
  check_lmu_cell(t);
  const LmuCellKept kept = lmu_cell_cpu(t, /*keep=*/true);
  return {kept.h, kept.m_n, kept.m, kept.u};
}

Gradients as_tuple(const LmuCellTensors& d) {
  return {d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7], d[8], d[9]};
}

Gradients run_backward(const OptionalTensor& d_h, const OptionalTensor& d_m_n, const at::Tensor& h,
                       const at::Tensor& m, const at::Tensor& u, LmuCellNeeds needs,
                       const LmuCellTensors& t) {
  check_lmu_cell(t);
  return as_tuple(
      lmu_cell_backward_cpu(defined_or_not(d_h), defined_or_not(d_m_n), h, m, u, t, needs));
}

Pair run_meta(const LmuCellTensors& t) {
  check_lmu_cell(t);
  return {t[kCellH].new_empty_symint(t[kCellH].sym_sizes()),
          t[kCellM0].new_empty_symint(t[kCellM0].sym_sizes())};
}

Four run_forward_meta(const LmuCellTensors& t) {
  const auto [h, m_n] = run_meta(t);
  return {h, m_n, h.new_empty_symint({h.sym_size(0), h.sym_size(1), t[kCellM0].sym_size(1)}),
          t[kCellU].new_empty_symint(t[kCellU].sym_sizes())};
}

Gradients run_backward_meta(const OptionalTensor&, const OptionalTensor&, const at::Tensor&,
                            const at::Tensor&, const at::Tensor&, LmuCellNeeds needs,
                            const LmuCellTensors& t) {
  LmuCellTensors d;
  for (size_t i = 0; i < d.size(); ++i) {
    if (needs[i]) d[i] = t[i].new_empty_symint(t[i].sym_sizes());
  }
  return as_tuple(d);
}

// ---- Gradient -----------------------------------------------------------------------------------

Pair call(const LmuCellTensors& t) {
  static const auto op = operator_handle<decltype(gather<run, Pair>)>("tessera::lmu_cell");
  return spread(t, [&](const auto&... a) { return op.call(a...); });
}

struct CellFunction : torch::autograd::Function<CellFunction> {
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  static Variables forward(Context* context, const at::Tensor& u, const at::Tensor& h,
                           const at::Tensor& h0, const at::Tensor& m0, const at::Tensor& e_h,
                           const at::Tensor& e_m, const at::Tensor& W_h, const at::Tensor& W_m,
                           const at::Tensor& A, const at::Tensor& B) {
    at::AutoDispatchBelowADInplaceOrView below;
    static const auto op =
        operator_handle<decltype(gather<run_forward, Four>)>("tessera::lmu_cell_forward");
    auto [h_all, m_n, m_all, u_all] = op.call(u, h, h0, m0, e_h, e_m, W_h, W_m, A, B);
    context->save_for_backward({u, h, h0, m0, e_h, e_m, W_h, W_m, A, B, h_all, m_all, u_all});
    context->set_materialize_grads(false);
    return {h_all, m_n};
  }

  static Variables backward(Context* context, Variables d_out) {
    const Variables kept = context->get_saved_variables();
    LmuCellTensors t;
    LmuCellNeeds needs;
    for (size_t i = 0; i < t.size(); ++i) {
      t[i] = kept[i];
      needs[i] = context->needs_input_grad(i);
    }
    if (at::GradMode::is_enabled()) return differentiate_plain(t, needs, d_out);
    static const auto op = operator_handle<
        decltype(gather<run_backward, Gradients, const OptionalTensor&, const OptionalTensor&,
                        const at::Tensor&, const at::Tensor&, const at::Tensor&, LmuCellNeeds>)>(
        "tessera::lmu_cell_backward");
    const Gradients gradients = spread(
        t, [&](const auto&... a) { return op.call(a...); }, optional(d_out[0]), optional(d_out[1]),
        kept[kNumLmuCellTensors], kept[kNumLmuCellTensors + 1], kept[kNumLmuCellTensors + 2],
        needs);
    return std::apply([](const auto&... g) { return Variables{g...}; }, gradients);
  }

  /// Gradients that can be differentiated again: those of the plain composition, of aliases of the
  /// inputs, so that a path from one input to another outside this operator is not counted here.
  static Variables differentiate_plain(LmuCellTensors t, const LmuCellNeeds& needs,
                                       const Variables& d_out) {
    Variables inputs, outputs, seeds, d(kNumLmuCellTensors);
    std::vector<size_t> places;
    for (size_t i = 0; i < t.size(); ++i) {
      if (!needs[i]) continue;
      t[i] = t[i].view_as(t[i]);
      inputs.push_back(t[i]);
      places.push_back(i);
    }
    const auto [h, m_n] = plain(t);
    if (d_out[0].defined()) {
      outputs.push_back(h);
      seeds.push_back(d_out[0]);
    }
    if (d_out[1].defined()) {
      outputs.push_back(m_n);
      seeds.push_back(d_out[1]);
    }
    if (outputs.empty()) return d;
    const Variables found =
        torch::autograd::grad(outputs, inputs, seeds, /*retain_graph=*/true, /*create_graph=*/true,
                              /*allow_unused=*/true);
    for (size_t k = 0; k < places.size(); ++k) d[places[k]] = found[k];
    return d;
  }
};

Pair run_autograd(const LmuCellTensors& t) {
  bool needs_grad = false;
  for (const at::Tensor& tensor : t) needs_grad |= tensor.requires_grad();
  if (!needs_grad || !at::GradMode::is_enabled()) {
    at::AutoDispatchBelowADInplaceOrView below;
    return call(t);
  }
  if (!runs_fused(t)) {
    check_lmu_cell(t);
    return plain(t);
  }
  const auto results = spread(t, [](const auto&... a) { return CellFunction::apply(a...); });
  return {results[0], results[1]};
}

}  // namespace

LmuCellResult lmu_cell(const LmuCellInput& input, const LmuCellWeights& w,
                       const LmuCellOptions& options) {
  if (input.gate.defined() || options.hidden != "tanh" || options.encoder != "linear") {
    return lmu_cell_plain(input, w, options);
  }
  const auto [h, m_n] =
      call({input.u, input.h, input.h0, input.m0, w.e_h, w.e_m, w.W_h, w.W_m, w.A, w.B});
  return {.h = h, .m_n = m_n};
}

TORCH_LIBRARY_IMPL(tessera, CPU, m) {
  m.impl("lmu_cell", TORCH_FN((gather<run, Pair>)));
  m.impl("lmu_cell_forward", TORCH_FN((gather<run_forward, Four>)));
  m.impl("lmu_cell_backward",
         TORCH_FN((gather<run_backward, Gradients, const OptionalTensor&, const OptionalTensor&,
                          const at::Tensor&, const at::Tensor&, const at::Tensor&, LmuCellNeeds>)));
}

TORCH_LIBRARY_IMPL(tessera, CUDA, m) { m.impl("lmu_cell", TORCH_FN((gather<run, Pair>))); }

TORCH_LIBRARY_IMPL(tessera, Meta, m) {
  m.impl("lmu_cell", TORCH_FN((gather<run_meta, Pair>)));
  m.impl("lmu_cell_forward", TORCH_FN((gather<run_forward_meta, Four>)));
  m.impl(
      "lmu_cell_backward",
      TORCH_FN((gather<run_backward_meta, Gradients, const OptionalTensor&, const OptionalTensor&,
                       const at::Tensor&, const at::Tensor&, const at::Tensor&, LmuCellNeeds>)));
}

TORCH_LIBRARY_IMPL(tessera, Autograd, m) {
  m.impl("lmu_cell", TORCH_FN((gather<run_autograd, Pair>)));
}

}  // namespace tessera::ops
