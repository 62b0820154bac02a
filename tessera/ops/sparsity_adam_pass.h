#pragma once

#include <ATen/core/Tensor.h>

#include "tessera/ops/graph_passes.h"
#include "tessera/ops/sparsity_adam_args.h"

namespace tessera::ops {

/// What a device's kernel is told of one entry.
template <class T>
SparsityAdam<T> sparsity_adam_pass(const SparsityAdamEntry& e, const SparsityAdamFactors& f) {
  const auto data = [](const at::Tensor& tensor, bool is_there) {
    return is_there ? tensor.mutable_data_ptr<T>() : nullptr;
  };
  return {.count = e.mask.numel(),
          .weight = data(e.weight, e.has_weight()),
          .mask = data(e.mask, true),
          .fixed = data(e.fixed, e.has_fixed()),
          .d_effective = data(e.d_effective, true),
          .weight_avg = data(e.weight_avg, e.has_weight()),
          .weight_square = data(e.weight_square, e.has_weight()),
          .mask_avg = data(e.mask_avg, true),
          .mask_square = data(e.mask_square, true),
          .effective = data(e.effective, e.has_effective()),
          .beta2 = static_cast<T>(f.beta2),
          .one_minus_beta1 = static_cast<T>(1 - f.beta1),
          .one_minus_beta2 = static_cast<T>(1 - f.beta2),
          .step = static_cast<T>(f.step),
          .root_correction = static_cast<T>(f.root_correction),
          .eps = static_cast<T>(f.eps),
          .weight_decay = static_cast<T>(f.weight_decay),
          .l1 = static_cast<T>(e.l1)};
}

}  // namespace tessera::ops
