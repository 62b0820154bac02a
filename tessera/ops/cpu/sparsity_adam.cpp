#include <ATen/ATen.h>

#include "tessera/ops/cpu/graph.h"
#include "tessera/ops/sparsity_adam_pass.h"

namespace tessera::ops {

namespace {

/// Values that a thread takes at once: whole vectors, and large enough to pay for waking it.
constexpr int64_t kGrain = 1 << 15;

template <class T>
void update(const SparsityAdamEntry& e, const SparsityAdamFactors& f) {
  const SparsityAdam<T> pass = sparsity_adam_pass<T>(e, f);
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
