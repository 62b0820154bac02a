#include <ATen/ATen.h>

#include "tessera/ops/grid_linear.h"

namespace tessera::ops {

at::Tensor grid_linear_plain(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                             const NodeWeights& n) {
  const int64_t rows = x.size(0), nodes = weight.size(0), out = weight.size(1), in = weight.size(2);
  const at::Tensor n_BK = dense_weights(n, nodes);
  // Blending what the nodes compute is blending the parameters: both are linear.
  const at::Tensor scaled = (n_BK.unsqueeze(2) * x.unsqueeze(1)).reshape({rows, nodes * in});
  const at::Tensor y = at::mm(scaled, weight.transpose(1, 2).reshape({nodes * in, out}));
  return bias.defined() ? y + at::mm(n_BK, bias) : y;
}

}  // namespace tessera::ops
