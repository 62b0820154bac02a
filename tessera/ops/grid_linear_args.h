#pragma once

#include <array>

#include "tessera/ops/grid_linear.h"

// Between the files of the operator `grid_linear`; not for callers.

namespace tessera::ops {

struct GridLinearArgs {
  at::Tensor x, weight, bias;
  NodeWeights n;
};

/// What gradients are named by, in the order of the schema without the index.
enum GridLinearInput { kGridX, kGridWeight, kGridBias, kGridNode, kNumGridInputs };
using GridLinearTensors = std::array<at::Tensor, kNumGridInputs>;
using GridLinearNeeds = std::array<bool, kNumGridInputs>;

GridLinearTensors tensors_of(const GridLinearArgs& args);

/// Throws InvalidArgument where the kernels would read outside of a tensor. The index's values are
/// checked by the CPU kernels' caller, which reads them all anyway.
void check(const GridLinearArgs& args);

/// The fused kernels.
at::Tensor grid_linear_cpu(const GridLinearArgs& args);
GridLinearTensors grid_linear_backward_cpu(const at::Tensor& d_y, const GridLinearArgs& args,
                                           const GridLinearNeeds& needs);

/// The kernels of another device.
struct GridLinearDevice {
  bool (*fits)(const GridLinearArgs&);
  at::Tensor (*forward)(const GridLinearArgs&);
  GridLinearTensors (*backward)(const at::Tensor& d_y, const GridLinearArgs& args,
                                const GridLinearNeeds& needs);
};
/// Null where the build has no CUDA kernels; cuda/grid_linear_glue.cpp sets it.
const GridLinearDevice*& grid_linear_cuda();

}  // namespace tessera::ops
