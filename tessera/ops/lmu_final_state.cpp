#include "tessera/ops/lmu_final_state.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include <array>
#include <tuple>

#include "tessera/core/error.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/dispatch.h"
#include "tessera/ops/product.h"

namespace tessera::ops {
namespace {

using Needs = std::array<bool, 2>;
using Pair = std::tuple<at::Tensor, at::Tensor>;

void check(const at::Tensor& u, const at::Tensor& impulse) {
  if (u.dim() == 3 && impulse.dim() == 2 && u.sym_size(1) > 0 && impulse.sym_size(0) > 0 &&
      u.scalar_type() == impulse.scalar_type() && u.device() == impulse.device()) {
    return;
  }
  fail<InvalidArgument>(
      {.where = "lmu_final_state",
       .rule = "u must be (B, T, M) and the impulse response (L, N), of one dtype and device, "
               "with T and L at least 1",
       .got = fmt::format("{} and {}", describe(u), describe(impulse)),
       .id = "T-LMU-20"});
}

int64_t reach(const at::Tensor& u, const at::Tensor& impulse) {
  return std::min(u.size(1), impulse.size(0));
}

/// The last `length` steps of u, one row for each delay system: (B·M, length).
at::Tensor recent_rows(const at::Tensor& u, int64_t length) {
  return u.narrow(1, u.size(1) - length, length).transpose(1, 2).reshape({-1, length});
}

at::Tensor forward(const at::Tensor& u, const at::Tensor& impulse) {
  check(u, impulse);
  const int64_t length = reach(u, impulse);
  // Flipping the kernel (T·N values) is cheaper than flipping u where the batch is large, and the
  // rows of u then stay where they are.
  return product(recent_rows(u, length), impulse.narrow(0, 0, length).flip(0))
      .view({u.size(0), u.size(2), impulse.size(1)});
}

Pair backward(const at::Tensor& d_m, const at::Tensor& u, const at::Tensor& impulse, Needs needs) {
  check(u, impulse);
  const int64_t length = reach(u, impulse), batch = u.size(0), width = u.size(2);
  const at::Tensor d_rows = d_m.reshape({-1, impulse.size(1)});
  at::Tensor d_u, d_impulse;
  if (needs[0]) {
    const at::Tensor d_recent = product(d_rows, impulse.narrow(0, 0, length).flip(0).t())
                                    .view({batch, width, length})
                                    .transpose(1, 2)
                                    .contiguous();  // as the shape rule says; no copy at width 1
    d_u = length == u.size(1) ? d_recent
                              : at::constant_pad_nd(d_recent, {0, 0, u.size(1) - length, 0});
  }
  if (needs[1]) {
    const at::Tensor d_used = product(recent_rows(u, length).t(), d_rows).flip(0);
    d_impulse = length == impulse.size(0)
                    ? d_used
                    : at::constant_pad_nd(d_used, {0, 0, 0, impulse.size(0) - length});
  }
  return {d_u, d_impulse};
}

at::Tensor forward_meta(const at::Tensor& u, const at::Tensor& impulse) {
  check(u, impulse);
  return u.new_empty_symint({u.sym_size(0), u.sym_size(2), impulse.sym_size(1)});
}

Pair backward_meta(const at::Tensor&, const at::Tensor& u, const at::Tensor& impulse, Needs needs) {
  Pair d;
  if (needs[0]) std::get<0>(d) = u.new_empty_symint(u.sym_sizes());
  if (needs[1]) std::get<1>(d) = impulse.new_empty_symint(impulse.sym_sizes());
  return d;
}

at::Tensor call(const at::Tensor& u, const at::Tensor& impulse) {
  static const auto op = operator_handle<decltype(forward)>("tessera::lmu_final_state");
  return op.call(u, impulse);
}

struct FinalStateFunction : torch::autograd::Function<FinalStateFunction> {
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  static at::Tensor forward(Context* context, const at::Tensor& u, const at::Tensor& impulse) {
    context->save_for_backward({u, impulse});
    at::AutoDispatchBelowADInplaceOrView below;
    return call(u, impulse);
  }

  static Variables backward(Context* context, Variables d) {
    const Variables kept = context->get_saved_variables();
    const Needs needs = {context->needs_input_grad(0), context->needs_input_grad(1)};
    // Products are differentiable themselves: a second derivative goes through them.
    if (at::GradMode::is_enabled()) {
      auto [d_u, d_impulse] = ops::backward(d[0], kept[0], kept[1], needs);
      return {d_u, d_impulse};
    }
    static const auto op =
        operator_handle<decltype(ops::backward)>("tessera::lmu_final_state_backward");
    auto [d_u, d_impulse] = op.call(d[0], kept[0], kept[1], needs);
    return {d_u, d_impulse};
  }
};

at::Tensor run_autograd(const at::Tensor& u, const at::Tensor& impulse) {
  if (at::GradMode::is_enabled() && (u.requires_grad() || impulse.requires_grad())) {
    return FinalStateFunction::apply(u, impulse);
  }
  at::AutoDispatchBelowADInplaceOrView below;
  return call(u, impulse);
}

}  // namespace

at::Tensor lmu_final_state(const at::Tensor& u, const at::Tensor& impulse) {
  return call(u, impulse);
}

TORCH_LIBRARY_IMPL(tessera, CPU, m) {
  m.impl("lmu_final_state", TORCH_FN(forward));
  m.impl("lmu_final_state_backward", TORCH_FN(backward));
}

TORCH_LIBRARY_IMPL(tessera, CUDA, m) {
  m.impl("lmu_final_state", TORCH_FN(forward));
  m.impl("lmu_final_state_backward", TORCH_FN(backward));
}

TORCH_LIBRARY_IMPL(tessera, Meta, m) {
  m.impl("lmu_final_state", TORCH_FN(forward_meta));
  m.impl("lmu_final_state_backward", TORCH_FN(backward_meta));
}

TORCH_LIBRARY_IMPL(tessera, Autograd, m) { m.impl("lmu_final_state", TORCH_FN(run_autograd)); }

}  // namespace tessera::ops
