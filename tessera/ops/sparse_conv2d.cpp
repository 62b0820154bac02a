#include "tessera/ops/sparse_conv2d.h"

#include <ATen/ATen.h>
#include <torch/library.h>

#include "tessera/core/error.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/dispatch.h"
#include "tessera/ops/sparse_conv2d_args.h"

namespace tessera::ops {
namespace {

void check(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias, int64_t stride,
           int64_t padding) {
  const auto refuse = [](const std::string& rule, const std::string& got) {
    fail<InvalidArgument>({.where = "sparse_conv2d", .rule = rule, .got = got, .id = "T-SPC-01"});
  };
  const bool is_bool = x.scalar_type() == at::kBool;
  if (x.dim() != 4 || !(x.is_floating_point() || is_bool)) {
    refuse("x is a floating or bool (N, C, H, W)", describe(x));
  }
  if (!packed.is_floating_point()) refuse("packed is floating", describe(packed));
  if (packed.dim() != 5 || packed.sym_size(3) != x.sym_size(1)) {
    refuse("packed is (O/b, kh, kw, C, b) of the channels of x = " + describe(x), describe(packed));
  }
  if (bias.defined() &&
      (bias.dim() != 1 || bias.sym_size(0) != packed.sym_size(0) * packed.sym_size(4))) {
    refuse("bias has the outputs of packed = " + describe(packed), describe(bias));
  }
  if (stride < 1 || padding < 0 || x.sym_size(2) + 2 * padding < packed.sym_size(1) ||
      x.sym_size(3) + 2 * padding < packed.sym_size(2)) {
    refuse("the padded maps of x are at least the kernel",
           describe(x) + " with padding " + std::to_string(padding) + " and stride " +
               std::to_string(stride));
  }
  for (const at::Tensor& tensor : {packed, bias}) {
    if (!tensor.defined()) continue;
    const at::ScalarType dtype = (is_bool ? packed : x).scalar_type();
    if (tensor.scalar_type() == dtype && tensor.device() == x.device()) continue;
    refuse("all arguments have the dtype and device of x = " + describe(x), describe(tensor));
  }
}

at::Tensor run(const at::Tensor& x, const at::Tensor& packed, const OptionalTensor& bias,
               int64_t stride, int64_t padding) {
  const at::Tensor b = defined_or_not(bias);
  check(x, packed, b, stride, padding);
  const int64_t block = packed.size(4);
  const bool is_fused = x.is_cpu() && packed.scalar_type() == at::kFloat && x.numel() > 0 &&
                        (block == 64 || block == 32 || block == 16);
  if (!is_fused) return sparse_conv2d_plain(x, packed, b, stride, padding);
  return sparse_conv2d_cpu(
      x.contiguous(at::MemoryFormat::ChannelsLast), packed.contiguous(),
      b.defined() ? b.contiguous() : at::zeros({packed.size(0) * block}, packed.options()), stride,
      padding);
}

at::Tensor run_meta(const at::Tensor& x, const at::Tensor& packed, const OptionalTensor& bias,
                    int64_t stride, int64_t padding) {
  check(x, packed, defined_or_not(bias), stride, padding);
  const auto extent = [&](int64_t axis) {
    return (x.sym_size(axis) + 2 * padding - packed.sym_size(axis - 1)) / stride + 1;
  };
  return at::empty_symint(
             {x.sym_size(0), packed.sym_size(0) * packed.sym_size(4), extent(2), extent(3)},
             packed.options())
      .contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor run_autograd(const at::Tensor& x, const at::Tensor& packed, const OptionalTensor& bias,
                        int64_t stride, int64_t padding) {
  const bool needs_grad =
      at::GradMode::is_enabled() &&
      (x.requires_grad() || packed.requires_grad() || (bias.has_value() && bias->requires_grad()));
  if (needs_grad) {
    check(x, packed, defined_or_not(bias), stride, padding);
    return sparse_conv2d_plain(x, packed, defined_or_not(bias), stride, padding);
  }
  at::AutoDispatchBelowADInplaceOrView below;
  static const auto op = operator_handle<decltype(run)>("tessera::sparse_conv2d");
  return op.call(x, packed, bias, stride, padding);
}

}  // namespace

at::Tensor sparse_conv2d(const at::Tensor& x, const at::Tensor& packed, const at::Tensor& bias,
                         int64_t stride, int64_t padding) {
  static const auto op = operator_handle<decltype(run)>("tessera::sparse_conv2d");
  return op.call(x, packed, optional(bias), stride, padding);
}

TORCH_LIBRARY_IMPL(tessera, CPU, m) { m.impl("sparse_conv2d", TORCH_FN(run)); }
TORCH_LIBRARY_IMPL(tessera, CUDA, m) { m.impl("sparse_conv2d", TORCH_FN(run)); }
TORCH_LIBRARY_IMPL(tessera, Meta, m) { m.impl("sparse_conv2d", TORCH_FN(run_meta)); }
TORCH_LIBRARY_IMPL(tessera, Autograd, m) { m.impl("sparse_conv2d", TORCH_FN(run_autograd)); }

}  // namespace tessera::ops
