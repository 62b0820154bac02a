#include "tessera/ops/product.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cpuid.h>
#include <cstring>

#include "tessera/core/error.h"
#include "tessera/ops/autocast.h"
#include "tessera/ops/cpu/workspace.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/dispatch.h"

namespace tessera::ops {
namespace {

// Below this oneDNN's set-up costs more than its kernels gain.
constexpr int64_t kLeastFlops = 1 << 20;

bool is_intel() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(0, &a, &b, &c, &d) == 0) return false;
  char vendor[13] = {};
  std::memcpy(vendor, &b, 4);
  std::memcpy(vendor + 4, &d, 4);
  std::memcpy(vendor + 8, &c, 4);
  return std::strcmp(vendor, "GenuineIntel") == 0;
}

using OnednnLinear = at::Tensor(const at::Tensor&, const at::Tensor&, const OptionalTensor&,
                                std::string_view, c10::List<std::optional<at::Scalar>>,
                                std::optional<std::string_view>);
using OnednnHandle = c10::TypedOperatorHandle<OnednnLinear>;

/// torch's oneDNN product, which inductor calls; absent in builds without oneDNN.
const std::optional<OnednnHandle>& onednn_linear() {
  static const std::optional<OnednnHandle> handle = []() -> std::optional<OnednnHandle> {
    const auto found = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!found || !found->hasKernelForDispatchKey(c10::DispatchKey::CPU)) return {};
    return found->typed<OnednnLinear>();
  }();
  return handle;
}

bool runs_onednn(const at::Tensor& a, const at::Tensor& weight) {
  return a.scalar_type() == at::kFloat && a.is_cpu() && weight.is_cpu() &&
         2 * a.size(0) * a.size(1) * weight.size(0) >= kLeastFlops && prefers_onednn();
}

/// The matrix without gaps between its rows, or columns where it is transposed: with gaps oneDNN
/// falls back to a loop that is hundreds of times slower than the copy.
at::Tensor without_gaps(const at::Tensor& matrix) {
  return matrix.is_contiguous() || matrix.t().is_contiguous() ? matrix : matrix.contiguous();
}

/// a·weightᵀ + bias without autograd.
at::Tensor multiply(const at::Tensor& a, const at::Tensor& weight, const at::Tensor& bias) {
  if (runs_onednn(a, weight)) {
    return onednn_linear()->call(without_gaps(a), without_gaps(weight), optional(bias), "none",
                                 c10::List<std::optional<at::Scalar>>(), "");
  }
  return bias.defined() ? at::addmm(bias, a, weight.t()) : at::mm(a, weight.t());
}

[[noreturn]] void refuse(const char* where, const at::Tensor& a, const at::Tensor& b) {
  fail<InvalidArgument>({.where = where,
                         .rule = "two matrices must have one dtype and sizes that fit",
                         .got = fmt::format("{} and {}", describe(a), describe(b)),
                         .id = "T-MM-01"});
}

void check(const char* where, const at::Tensor& a, const at::Tensor& weight,
           const at::Tensor& bias) {
  const bool fits = weight.dim() == 2 && a.dim() >= 1 && a.size(-1) == weight.size(1) &&
                    (!bias.defined() || (bias.dim() == 1 && bias.size(0) == weight.size(0)));
  const bool is_one_dtype = a.scalar_type() == weight.scalar_type() || is_autocast(a);
  if (!fits || !is_one_dtype) refuse(where, a, weight);
}

/// a·weightᵀ + bias of matrices.
struct ProductFunction : torch::autograd::Function<ProductFunction> {
  using Context = torch::autograd::AutogradContext;
  using Variables = torch::autograd::variable_list;

  static at::Tensor forward(Context* context, const at::Tensor& a, const at::Tensor& weight,
                            const OptionalTensor& bias) {
    context->save_for_backward({a, weight});
    context->saved_data["has_bias"] = bias.has_value();
    at::AutoDispatchBelowADInplaceOrView below;
    return multiply(a, weight, defined_or_not(bias));
  }

  static Variables backward(Context* context, Variables d) {
    const Variables kept = context->get_saved_variables();
    // Differentiable calls, so that a second derivative is one of the same kind.
    Variables result(3);
    if (context->needs_input_grad(0)) result[0] = product(d[0], kept[1]);
    if (context->needs_input_grad(1)) result[1] = product(d[0].t(), kept[0]);
    // An absent input has no place of its own.
    const bool has_bias = context->saved_data["has_bias"].toBool();
    if (has_bias && context->needs_input_grad(2)) result[2] = d[0].sum(0);
    return result;
  }
};

at::Tensor differentiable_product(const at::Tensor& a, const at::Tensor& weight,
                                  const at::Tensor& bias) {
  const bool needs_grad =
      at::GradMode::is_enabled() &&
      (a.requires_grad() || weight.requires_grad() || (bias.defined() && bias.requires_grad()));
  // Plain ATen has its own formula; ours is needed where oneDNN's product has none.
  if (!needs_grad || !runs_onednn(a, weight)) return multiply(a, weight, bias);
  return ProductFunction::apply(a, weight, optional(bias));
}

}  // namespace

bool prefers_onednn() {
  static const bool result = !is_intel() && instruction_set() == InstructionSet::kAvx512 &&
                             at::globalContext().userEnabledMkldnn() && onednn_linear().has_value();
  return result;
}

at::Tensor product(const at::Tensor& a, const at::Tensor& b) {
  if (a.dim() != 2 || b.dim() != 2) refuse("product", a, b);
  check("product", a, b.t(), {});
  if (is_autocast(a)) return at::mm(a, b);
  return differentiable_product(a, b.t(), {});
}

at::Tensor affine(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  check("affine", x, weight, bias);
  if (is_autocast(x)) return at::linear(x, weight, optional(bias));
  if (x.dim() == 2) return differentiable_product(x, weight, bias);
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() = weight.size(0);
  return differentiable_product(x.reshape({-1, x.size(-1)}), weight, bias).view(sizes);
}

}  // namespace tessera::ops
