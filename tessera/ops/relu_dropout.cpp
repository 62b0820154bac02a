#include "tessera/ops/relu_dropout.h"

#include <algorithm>
#include <string>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "tessera/core/error.h"
#include "tessera/ops/cpu/workspace.h"
#include "tessera/ops/dispatch.h"
#include "tessera/ops/relu_dropout_args.h"

namespace tessera::ops {

namespace {

void check(double p) {
  if (p >= 0 && p < 1) return;
  fail<InvalidArgument>({.where = "relu_dropout",
                         .rule = "p must lie in [0, 1)",
                         .got = std::to_string(p),
                         .id = "T-DROP-01"});
}

template <class T>
const ReluDropoutKernels<T>& kernels() {
  static const ReluDropoutKernels<T> chosen = [] {
    switch (instruction_set()) {
      case InstructionSet::kAvx512:
        return AVX512::relu_dropout_kernels<T>();
      case InstructionSet::kAvx2:
        return AVX2::relu_dropout_kernels<T>();
      default:
        return DEFAULT::relu_dropout_kernels<T>();
    }
  }();
  return chosen;
}

/// forward without d, else backward from the forward's result x.
template <class T>
at::Tensor pass(const at::Tensor& x, const at::Tensor& d, double p, int64_t seed) {
  const at::Tensor out = at::empty_like(x);
  const ReluDropout<T> r{.count = x.numel(),
                         .x = x.const_data_ptr<T>(),
                         .d = d.defined() ? d.const_data_ptr<T>() : nullptr,
                         .seed = static_cast<uint64_t>(seed),
                         .threshold = static_cast<uint32_t>(p * 4294967296.0),
                         .scale = static_cast<T>(1 / (1 - p)),
                         .out = out.mutable_data_ptr<T>()};
  const int64_t groups = (r.count + kDropoutGroup - 1) / kDropoutGroup;
  at::parallel_for(0, groups, 256, [&](int64_t begin, int64_t end) {
    (d.defined() ? kernels<T>().backward : kernels<T>().forward)(r, begin, end);
  });
  return out;
}

at::Tensor run(const at::Tensor& x, double p, int64_t seed) {
  check(p);
  if (!x.is_cpu() || !has_fused_dtype(x)) return relu_dropout_plain(x, p, seed);
  const at::Tensor whole = x.contiguous();
  return x.scalar_type() == at::kDouble ? pass<double>(whole, {}, p, seed)
                                        : pass<float>(whole, {}, p, seed);
}

at::Tensor run_backward(const at::Tensor& d_out, const at::Tensor& out, double p) {
  check(p);
  TORCH_CHECK(d_out.sizes() == out.sizes(), "d_out must have the shape of out");
  if (!out.is_cpu() || !has_fused_dtype(out)) return d_out * (out != 0) * (1 / (1 - p));
  const at::Tensor whole = out.contiguous(), d = d_out.contiguous();
  return out.scalar_type() == at::kDouble ? pass<double>(whole, d, p, 0)
                                          : pass<float>(whole, d, p, 0);
}

at::Tensor run_meta(const at::Tensor& x, double, int64_t) {
  return x.new_empty_symint(x.sym_sizes());
}

at::Tensor run_backward_meta(const at::Tensor&, const at::Tensor& out, double) {
  return out.new_empty_symint(out.sym_sizes());
}

struct ReluDropoutFunction : torch::autograd::Function<ReluDropoutFunction> {
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  static Variables forward(Context* context, const at::Tensor& x, double p, int64_t seed) {
    at::AutoDispatchBelowADInplaceOrView below;
    const at::Tensor out = relu_dropout(x, p, seed);
    context->save_for_backward({out});
    context->saved_data["p"] = p;
    return {out};
  }

  static Variables backward(Context* context, Variables d_out) {
    const at::Tensor out = context->get_saved_variables()[0].detach();
    const double p = context->saved_data["p"].toDouble();
    if (!d_out[0].defined()) return Variables(3);
    // Linear in d_out, so that this is differentiable again.
    if (at::GradMode::is_enabled()) {
      return {d_out[0] * (out != 0) * (1 / (1 - p)), at::Tensor(), at::Tensor()};
    }
    static const auto op =
        operator_handle<decltype(run_backward)>("tessera::relu_dropout_backward");
    return {op.call(d_out[0], out, p), at::Tensor(), at::Tensor()};
  }
};

at::Tensor run_autograd(const at::Tensor& x, double p, int64_t seed) {
  if (x.requires_grad() && at::GradMode::is_enabled()) {
    return ReluDropoutFunction::apply(x, p, seed)[0];
  }
  at::AutoDispatchBelowADInplaceOrView below;
  return relu_dropout(x, p, seed);
}

}  // namespace

at::Tensor relu_dropout(const at::Tensor& x, double p, int64_t seed) {
  static const auto op = operator_handle<decltype(run)>("tessera::relu_dropout");
  return op.call(x, p, seed);
}

TORCH_LIBRARY_IMPL(tessera, CPU, m) {
  m.impl("relu_dropout", TORCH_FN(run));
  m.impl("relu_dropout_backward", TORCH_FN(run_backward));
}

TORCH_LIBRARY_IMPL(tessera, CUDA, m) {
  m.impl("relu_dropout", TORCH_FN(run));
  m.impl("relu_dropout_backward", TORCH_FN(run_backward));
}

TORCH_LIBRARY_IMPL(tessera, Meta, m) {
  m.impl("relu_dropout", TORCH_FN(run_meta));
  m.impl("relu_dropout_backward", TORCH_FN(run_backward_meta));
}

TORCH_LIBRARY_IMPL(tessera, Autograd, m) { m.impl("relu_dropout", TORCH_FN(run_autograd)); }

}  // namespace tessera::ops
