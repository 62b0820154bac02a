#include <vector>

#include <ATen/ATen.h>

#include "tessera/ops/perceptron.h"

namespace tessera::ops {

at::Tensor perceptron_plain(const PerceptronInput& input, const PerceptronWeights& weights,
                            Activation activation, bool residual) {
  std::vector<at::Tensor> columns = {input.x};
  if (input.y.defined()) columns.push_back(input.y);
  if (input.z.defined()) columns.push_back(input.z);
  const at::Tensor z1 = at::linear(at::cat(columns, 1), weights.w1, weights.b1);
  const at::Tensor out = at::linear(activate(z1, activation), weights.w2, weights.b2);
  return residual ? out + input.x : out;
}

}  // namespace tessera::ops
