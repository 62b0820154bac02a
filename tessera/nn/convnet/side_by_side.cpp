#include <ATen/ATen.h>

#include "tessera/nn/convnet/evaluate.h"
#include "tessera/nn/convnet/fold.h"

namespace tessera::nn {

TensorMap side_by_side_weights(const Network& original, const TensorMap& weights, int64_t fold) {
  check_weights(original, weights);
  TensorMap big;
  for (const WeightSpec& spec : weight_specs(original)) {
    const at::Tensor& own = weights.at(spec.name);
    // One axis, or a convolution in groups: the copies follow each other.
    if (own.dim() == 1 || original.layers[spec.layer].groups > 1) {
      std::vector<int64_t> copies(static_cast<size_t>(own.dim()), 1);
      copies.front() = fold;
      big.set(spec.name, own.repeat(copies));
      continue;
    }
    const int64_t out = own.size(0), in = own.size(1);
    std::vector<int64_t> sizes = own.sizes().vec();
    sizes[0] *= fold;
    sizes[1] *= fold;
    const at::Tensor blocks = at::zeros(sizes, own.options());
    for (int64_t j = 0; j < fold; ++j) {
      blocks.narrow(0, j * out, out).narrow(1, j * in, in).copy_(own);
    }
    big.set(spec.name, blocks);
  }
  return big;
}

}  // namespace tessera::nn
