#pragma once

#include <array>

#include "tessera/ops/perceptron.h"

// Between the files of the operator `perceptron`; not for callers.

namespace tessera::ops {

struct PerceptronArgs {
  PerceptronInput input;
  PerceptronWeights weights;
  Activation activation;
  bool residual;
};

/// Tensor arguments in the order of the schema.
enum PerceptronPlace { kInputX, kInputY, kInputZ, kW1, kB1, kW2, kB2, kNumPerceptronTensors };
using PerceptronTensors = std::array<at::Tensor, kNumPerceptronTensors>;
using PerceptronNeeds = std::array<bool, kNumPerceptronTensors>;

PerceptronTensors tensors_of(const PerceptronArgs& args);

/// Throws InvalidArgument where the kernels would read outside of a tensor.
void check(const PerceptronArgs& args);

struct PerceptronKept {
  at::Tensor out;
  at::Tensor z1;  ///< pre-activation, (N, padded d), for perceptron_backward
};

/// Which gradients are computed: each input by itself, the weights all together.
PerceptronNeeds wanted(const PerceptronArgs& args, const PerceptronNeeds& needs);

/// The fused kernels. keep: fill `z1`.
PerceptronKept perceptron_cpu(const PerceptronArgs& args, bool keep);
PerceptronTensors perceptron_backward_cpu(const at::Tensor& d_out, const at::Tensor& z1,
                                          const PerceptronArgs& args, const PerceptronNeeds& needs);

}  // namespace tessera::ops
