#include <ATen/ATen.h>

#include "tessera/ops/cpu/graph.h"
#include "tessera/ops/sparsity_adam_args.h"

namespace tessera::ops {

namespace {

/// Values that a thread takes at once: whole vectors, and large enough to pay for waking it.
constexpr int64_t kGrain = 1 << 15;

template <class T>
void update(const SparsityAdamEntry& e, const SparsityAdamFactors& f) {
  const auto data = [](const at::Tensor& tensor, bool is_there) {
    return is_there ? tensor.mutable_data_ptr<T>() : nullptr;
  };
  const SparsityAdam<T> pass{.count = e.mask.numel(),
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
  const int64_t tiles = (pass.count + kGrain - 1) / kGrain;
  at::parallel_for(0, tiles, 1, [&](int64_t begin, int64_t end) {
    graph_kernels<T>().adam(pass, begin * kGrain, std::min(end * kGrain, pass.count));
  });
}

}  // namespace

void sparsity_adam_cpu(const SparsityAdamEntry& entry, const SparsityAdamFactors& factors) {
  if (entry.mask.scalar_type() == at::kDouble) {
    update<double>(entry, factors);
  } else {
    update<float>(entry, factors);
  }
}

}  // namespace tessera::ops
