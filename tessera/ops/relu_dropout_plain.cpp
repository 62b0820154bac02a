#include <ATen/ATen.h>

#include "tessera/ops/relu_dropout.h"
#include "tessera/ops/relu_dropout_args.h"

namespace tessera::ops {

at::Tensor dropout_keeps(at::IntArrayRef sizes, double p, int64_t seed) {
  const at::Tensor keeps = at::empty(sizes, at::kBool);
  bool* keep = keeps.mutable_data_ptr<bool>();
  const auto threshold = static_cast<uint32_t>(p * 4294967296.0);
  for (int64_t i = 0; i < keeps.numel(); ++i) {
    const int64_t place = i % kDropoutGroup;
    const uint64_t counter =
        static_cast<uint64_t>(i / kDropoutGroup * kDropoutLanes + place % kDropoutLanes);
    uint32_t word[4] = {static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0};
    philox(static_cast<uint64_t>(seed), word[0], word[1], word[2], word[3]);
    keep[i] = word[place / kDropoutLanes] >= threshold;
  }
  return keeps;
}

at::Tensor relu_dropout_plain(const at::Tensor& x, double p, int64_t seed) {
  const at::Tensor keeps = dropout_keeps(x.sizes(), p, seed).to(x.device(), x.scalar_type());
  return x.relu() * keeps * (1 / (1 - p));
}

}  // namespace tessera::ops
