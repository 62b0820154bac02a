#include "tessera/ops/causal_convolution.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/library.h>

#include "tessera/core/error.h"
#include "tessera/ops/causal_convolution_args.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/dispatch.h"

namespace tessera::ops {
namespace {

void check(const at::Tensor& u, const at::Tensor& kernel) {
  if (u.dim() == 2 && kernel.dim() == 2 && u.sym_size(1) > 0 && kernel.sym_size(0) > 0 &&
      u.scalar_type() == kernel.scalar_type() && u.device() == kernel.device() &&
      u.is_floating_point()) {
    return;
  }
  fail<InvalidArgument>({.where = "causal_convolution",
                         .rule = "u must be (R, T) and the kernel (L, C), of one floating dtype "
                                 "and device, with T and L at least 1",
                         .got = fmt::format("{} and {}", describe(u), describe(kernel)),
                         .id = "T-CONV-01"});
}

/// The gradients as convolutions of their own, which are differentiable again.
ConvolutionGradients backward_composed(const at::Tensor& d_y, const at::Tensor& u,
                                       const at::Tensor& kernel, ConvolutionNeeds needs) {
  const int64_t length = u.size(1), reach = std::min(length, kernel.size(0));
  at::Tensor d_u, d_kernel;
  const at::Tensor newest_first_RTC = d_y.flip(1);
  if (needs[0]) {
    // Each channel is a signal that meets its own kernel: the diagonal of all pairs, summed.
    at::Tensor sum_RT = at::zeros_like(u);
    for (int64_t c = 0; c < kernel.size(1); ++c) {
      sum_RT = sum_RT +
               causal_convolution(newest_first_RTC.select(2, c), kernel.narrow(1, c, 1)).squeeze(2);
    }
    d_u = sum_RT.flip(1);
  }
  if (needs[1]) {
    at::Tensor sum_CT = at::zeros({kernel.size(1), length}, kernel.options());
    for (int64_t r = 0; r < u.size(0); ++r) {
      sum_CT = sum_CT +
               causal_convolution(newest_first_RTC.select(0, r).t(), u.select(0, r).unsqueeze(1))
                   .squeeze(2);
    }
    const at::Tensor d_used = sum_CT.flip(1).t().narrow(0, 0, reach);
    d_kernel = reach == kernel.size(0)
                   ? d_used
                   : at::constant_pad_nd(d_used, {0, 0, 0, kernel.size(0) - reach});
  }
  return {d_u, d_kernel};
}

at::Tensor forward_cpu(const at::Tensor& u, const at::Tensor& kernel) {
  check(u, kernel);
  return has_fused_dtype(u) ? causal_convolution_cpu(u, kernel)
                            : causal_convolution_plain(u, kernel);
}

ConvolutionGradients backward_cpu(const at::Tensor& d_y, const at::Tensor& u,
                                  const at::Tensor& kernel, ConvolutionNeeds needs) {
  check(u, kernel);
  return has_fused_dtype(u) ? causal_convolution_backward_cpu(d_y, u, kernel, needs)
                            : backward_composed(d_y, u, kernel, needs);
}

at::Tensor forward_cuda(const at::Tensor& u, const at::Tensor& kernel) {
  check(u, kernel);
  return causal_convolution_plain(u, kernel);
}

/// By transforms, all at once.
ConvolutionGradients backward_cuda(const at::Tensor& d_y, const at::Tensor& u,
                                   const at::Tensor& kernel, ConvolutionNeeds needs) {
  check(u, kernel);
  const int64_t length = u.size(1), reach = std::min(length, kernel.size(0));
  int64_t padded = 2;
  while (padded < length + reach - 1) padded *= 2;
  const at::Tensor d_RCF = at::fft_rfft(d_y.transpose(1, 2), padded);
  at::Tensor d_u, d_kernel;
  if (needs[0]) {
    const at::Tensor k_CF = at::fft_rfft(kernel.narrow(0, 0, reach).t(), padded);
    d_u = at::fft_irfft((d_RCF * k_CF.conj()).sum(1), padded).narrow(1, 0, length);
  }
  if (needs[1]) {
    const at::Tensor u_RF = at::fft_rfft(u, padded);
    const at::Tensor d_CP = at::fft_irfft((d_RCF * u_RF.conj().unsqueeze(1)).sum(0), padded);
    d_kernel = at::zeros_like(kernel);
    d_kernel.narrow(0, 0, reach).copy_(d_CP.narrow(1, 0, reach).t());
  }
  return {d_u, d_kernel};
}

at::Tensor forward_meta(const at::Tensor& u, const at::Tensor& kernel) {
  check(u, kernel);
  return u.new_empty_symint({u.sym_size(0), u.sym_size(1), kernel.sym_size(1)});
}

ConvolutionGradients backward_meta(const at::Tensor&, const at::Tensor& u, const at::Tensor& kernel,
                                   ConvolutionNeeds needs) {
  ConvolutionGradients d;
  if (needs[0]) std::get<0>(d) = u.new_empty_symint(u.sym_sizes());
  if (needs[1]) std::get<1>(d) = kernel.new_empty_symint(kernel.sym_sizes());
  return d;
}

at::Tensor call(const at::Tensor& u, const at::Tensor& kernel) {
  static const auto op = operator_handle<decltype(forward_cpu)>("tessera::causal_convolution");
  return op.call(u, kernel);
}

struct ConvolutionFunction : torch::autograd::Function<ConvolutionFunction> {
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  static at::Tensor forward(Context* context, const at::Tensor& u, const at::Tensor& kernel) {
    context->save_for_backward({u, kernel});
    at::AutoDispatchBelowADInplaceOrView below;
    return call(u, kernel);
  }

  static Variables backward(Context* context, Variables d) {
    const Variables kept = context->get_saved_variables();
    const ConvolutionNeeds needs = {context->needs_input_grad(0), context->needs_input_grad(1)};
    if (at::GradMode::is_enabled()) {
      auto [d_u, d_kernel] = backward_composed(d[0], kept[0], kept[1], needs);
      return {d_u, d_kernel};
    }
    static const auto op =
        operator_handle<decltype(backward_cpu)>("tessera::causal_convolution_backward");
    auto [d_u, d_kernel] = op.call(d[0], kept[0], kept[1], needs);
    return {d_u, d_kernel};
  }
};

at::Tensor run_autograd(const at::Tensor& u, const at::Tensor& kernel) {
  if (at::GradMode::is_enabled() && (u.requires_grad() || kernel.requires_grad())) {
    return ConvolutionFunction::apply(u, kernel);
  }
  at::AutoDispatchBelowADInplaceOrView below;
  return call(u, kernel);
}

}  // namespace

at::Tensor causal_convolution(const at::Tensor& u, const at::Tensor& kernel) {
  return call(u, kernel);
}

TORCH_LIBRARY_IMPL(tessera, CPU, m) {
  m.impl("causal_convolution", TORCH_FN(forward_cpu));
  m.impl("causal_convolution_backward", TORCH_FN(backward_cpu));
}

TORCH_LIBRARY_IMPL(tessera, CUDA, m) {
  m.impl("causal_convolution", TORCH_FN(forward_cuda));
  m.impl("causal_convolution_backward", TORCH_FN(backward_cuda));
}

TORCH_LIBRARY_IMPL(tessera, Meta, m) {
  m.impl("causal_convolution", TORCH_FN(forward_meta));
  m.impl("causal_convolution_backward", TORCH_FN(backward_meta));
}

TORCH_LIBRARY_IMPL(tessera, Autograd, m) { m.impl("causal_convolution", TORCH_FN(run_autograd)); }

}  // namespace tessera::ops
