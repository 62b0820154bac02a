#pragma once

#include <array>
#include <utility>

#include "tessera/ops/masked_propagate.h"

// Between the files of the operator `masked_propagate`; not for callers.

namespace tessera::ops {

struct PropagateArgs {
  at::Tensor h, mask;
  EdgeList edges;
};

/// Gradients by h and the mask, or whether they are wanted.
using PropagateGradients = std::array<at::Tensor, 2>;
using PropagateNeeds = std::array<bool, 2>;

/// Result and s of every node.
struct PropagateKept {
  at::Tensor out, scale;
};

/// Throws InvalidArgument where the kernels would read outside of a tensor.
void check(const PropagateArgs& args);
/// Throws InvalidArgument naming the first node of negative degree.
void check_degrees(const at::Tensor& degree);

PropagateKept masked_propagate_cpu(const PropagateArgs& args);
PropagateGradients masked_propagate_backward_cpu(const at::Tensor& d_out, const at::Tensor& scale,
                                                 const PropagateArgs& args,
                                                 const PropagateNeeds& needs);

/// The kernels of another device.
struct PropagateDevice {
  PropagateKept (*forward)(const PropagateArgs&);
  PropagateGradients (*backward)(const at::Tensor& d_out, const at::Tensor& scale,
                                 const PropagateArgs& args, const PropagateNeeds& needs);
};
/// Null where the build has no CUDA kernels; cuda/graph_glue.cpp sets it.
const PropagateDevice*& propagate_cuda();

}  // namespace tessera::ops
