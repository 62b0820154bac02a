#include "tessera/ops/sparsity_adam.h"

#include <cmath>
#include <string>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/library.h>

#include "tessera/core/error.h"
#include "tessera/ops/describe.h"
#include "tessera/ops/dispatch.h"
#include "tessera/ops/sparsity_adam_args.h"

namespace tessera::ops {

namespace {

[[noreturn]] void refuse(std::string_view id, const std::string& rule, const std::string& got) {
  fail<InvalidArgument>({.where = "sparsity_adam_", .rule = rule, .got = got, .id = id});
}

void check_options(const SparsityAdamOptions& o, int64_t updates) {
  const bool betas = o.beta1 >= 0 && o.beta1 < 1 && o.beta2 >= 0 && o.beta2 < 1;
  if (betas && o.lr >= 0 && o.eps >= 0 && o.weight_decay >= 0 && updates >= 1) return;
  refuse("T-SADAM-03",
         "lr, eps and weight_decay must be at least 0, betas in [0, 1), updates from 1",
         fmt::format("lr {}, betas {} and {}, eps {}, weight_decay {}, updates {}", o.lr, o.beta1,
                     o.beta2, o.eps, o.weight_decay, updates));
}

/// Throws unless the tensor is like the mask, or empty where that is allowed.
void expect_like(const at::Tensor& tensor, const at::Tensor& mask, const char* name,
                 bool may_be_empty) {
  if (may_be_empty && tensor.numel() == 0) return;
  if (tensor.sizes() == mask.sizes() && tensor.strides() == mask.strides() &&
      tensor.scalar_type() == mask.scalar_type() && tensor.device() == mask.device()) {
    return;
  }
  refuse("T-SADAM-02",
         fmt::format("{} must have the shape, layout, dtype and device of its mask", name),
         describe(tensor) + " for " + describe(mask));
}

/// Entries whose tensors fit each other; the gradients have their mask's layout.
std::vector<SparsityAdamEntry> entries_of(const MaskedWeights& w,
                                          const std::vector<at::Tensor>& d_effective,
                                          const std::vector<double>& l1) {
  const size_t count = w.mask.size();
  for (const auto* list : {&w.weight, &w.fixed, &d_effective, &w.weight_avg, &w.weight_square,
                           &w.mask_avg, &w.mask_square, &w.effective}) {
    if (list->size() != count) {
      refuse("T-SADAM-01", fmt::format("every list must have {} tensors as the masks'", count),
             std::to_string(list->size()));
    }
  }
  if (l1.size() != count) {
    refuse("T-SADAM-01", fmt::format("l1 must have {} values", count), std::to_string(l1.size()));
  }
  std::vector<SparsityAdamEntry> entries;
  for (size_t i = 0; i < count; ++i) {
    const at::Tensor& mask = w.mask[i];
    if (!mask.is_non_overlapping_and_dense() || !has_fused_dtype(mask)) {
      refuse("T-SADAM-02", "a mask must be a dense float32 or float64 tensor", describe(mask));
    }
    const bool has_weight = w.weight[i].numel() > 0;
    expect_like(w.weight[i], mask, "a weight", true);
    expect_like(w.fixed[i], mask, "a fixed mask", true);
    expect_like(w.weight_avg[i], mask, "a weight's average", !has_weight);
    expect_like(w.weight_square[i], mask, "a weight's average of squares", !has_weight);
    expect_like(w.mask_avg[i], mask, "a mask's average", false);
    expect_like(w.mask_square[i], mask, "a mask's average of squares", false);
    expect_like(w.effective[i], mask, "an effective weight", true);
    at::Tensor d = d_effective[i];
    if (d.sizes() != mask.sizes() || d.scalar_type() != mask.scalar_type() ||
        d.device() != mask.device()) {
      refuse("T-SADAM-02", "a gradient must have the shape, dtype and device of its mask",
             describe(d) + " for " + describe(mask));
    }
    if (d.strides() != mask.strides()) d = at::empty_like(mask).copy_(d);
    entries.push_back({.weight = w.weight[i],
                       .mask = mask,
                       .fixed = w.fixed[i],
                       .d_effective = d,
                       .weight_avg = w.weight_avg[i],
                       .weight_square = w.weight_square[i],
                       .mask_avg = w.mask_avg[i],
                       .mask_square = w.mask_square[i],
                       .effective = w.effective[i],
                       .l1 = l1[i]});
  }
  return entries;
}

void update(const MaskedWeights& w, const std::vector<at::Tensor>& d_effective, int64_t updates,
            const SparsityAdamOptions& o) {
  const at::NoGradGuard no_grad;
  check_options(o, updates);
  const auto count = static_cast<double>(updates);
  const SparsityAdamFactors factors{.beta1 = o.beta1,
                                    .beta2 = o.beta2,
                                    .step = o.lr / (1 - std::pow(o.beta1, count)),
                                    .root_correction = std::sqrt(1 - std::pow(o.beta2, count)),
                                    .eps = o.eps,
                                    .weight_decay = o.weight_decay};
  const std::vector<SparsityAdamEntry> entries = entries_of(w, d_effective, o.l1);
  for (size_t i = 0; i < entries.size(); ++i) {
    const SparsityAdamEntry& entry = entries[i];
    if (entry.mask.numel() == 0) continue;
    if (entry.mask.is_cpu()) {
      sparsity_adam_cpu(entry, factors);
    } else if (entry.mask.is_cuda() && sparsity_adam_cuda() != nullptr) {
      sparsity_adam_cuda()(entry, factors);
    } else {
      SparsityAdamOptions one = o;
      one.l1 = {entry.l1};
      sparsity_adam_plain_({{entry.weight},
                            {entry.mask},
                            {entry.fixed},
                            {entry.weight_avg},
                            {entry.weight_square},
                            {entry.mask_avg},
                            {entry.mask_square},
                            {entry.effective}},
                           {entry.d_effective}, updates, one);
    }
  }
}

void run(at::TensorList weight, at::TensorList mask, at::TensorList fixed,
         at::TensorList d_effective, at::TensorList weight_avg, at::TensorList weight_square,
         at::TensorList mask_avg, at::TensorList mask_square, at::TensorList effective,
         int64_t updates, double lr, double beta1, double beta2, double eps, double weight_decay,
         at::ArrayRef<double> l1) {
  update({.weight = weight.vec(),
          .mask = mask.vec(),
          .fixed = fixed.vec(),
          .weight_avg = weight_avg.vec(),
          .weight_square = weight_square.vec(),
          .mask_avg = mask_avg.vec(),
          .mask_square = mask_square.vec(),
          .effective = effective.vec()},
         d_effective.vec(), updates,
         {.lr = lr,
          .beta1 = beta1,
          .beta2 = beta2,
          .eps = eps,
          .weight_decay = weight_decay,
          .l1 = l1.vec()});
}

void run_meta(at::TensorList, at::TensorList, at::TensorList, at::TensorList, at::TensorList,
              at::TensorList, at::TensorList, at::TensorList, at::TensorList, int64_t, double,
              double, double, double, double, at::ArrayRef<double>) {}

}  // namespace

void sparsity_adam_(const MaskedWeights& w, const std::vector<at::Tensor>& d_effective,
                    int64_t updates, const SparsityAdamOptions& options) {
  update(w, d_effective, updates, options);
}

SparsityAdamDevice& sparsity_adam_cuda() {
  static SparsityAdamDevice device = nullptr;
  return device;
}

TORCH_LIBRARY_IMPL(tessera, CPU, m) { m.impl("sparsity_adam_", TORCH_FN(run)); }
TORCH_LIBRARY_IMPL(tessera, CUDA, m) { m.impl("sparsity_adam_", TORCH_FN(run)); }
TORCH_LIBRARY_IMPL(tessera, Meta, m) { m.impl("sparsity_adam_", TORCH_FN(run_meta)); }

}  // namespace tessera::ops
