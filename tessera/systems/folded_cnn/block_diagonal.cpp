#include "tessera/systems/folded_cnn/block_diagonal.h"

#include <ATen/ATen.h>

#include "tessera/nn/convnet/evaluate.h"

namespace tessera::folded_cnn {

TensorMap block_diagonal_weights(const nn::Network& original, const TensorMap& weights,
                                 int64_t fold) {
  nn::check_weights(original, weights);
  TensorMap big;
  for (const nn::WeightSpec& spec : nn::weight_specs(original)) {
    const at::Tensor& own = weights.at(spec.name);
    const nn::Layer& layer = original.layers[spec.layer];
    // A convolution in groups is block-diagonal by itself: the groups of the copies follow each
    // other. So are biases and batch norms, which have one axis.
    if (own.dim() == 1 || layer.groups > 1) {
      std::vector<int64_t> repeats(static_cast<size_t>(own.dim()), 1);
      repeats[0] = fold;
      big.set(spec.name, own.repeat(repeats));
      continue;
    }
    std::vector<int64_t> sizes = own.sizes().vec();
    const int64_t out = sizes[0], in = sizes[1];
    sizes[0] *= fold;
    sizes[1] *= fold;
    at::Tensor blocks = at::zeros(sizes, own.options());
    for (int64_t j = 0; j < fold; ++j) {
      blocks.narrow(0, j * out, out).narrow(1, j * in, in).copy_(own);
    }
    big.set(spec.name, blocks);
  }
  return big;
}

}  // namespace tessera::folded_cnn
