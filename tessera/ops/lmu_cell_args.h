#pragma once

#include <array>

#include "tessera/ops/lmu_cell.h"

// Between the files of the operator `lmu_cell`; not for callers.

namespace tessera::ops {

/// Tensor arguments of the fused form in the order of the schema.
enum LmuCellPlace {
  kCellU,
  kCellH,
  kCellH0,
  kCellM0,
  kEh,
  kEm,
  kWh,
  kWm,
  kCellA,
  kCellB,
  kNumLmuCellTensors
};
using LmuCellTensors = std::array<at::Tensor, kNumLmuCellTensors>;
using LmuCellNeeds = std::array<bool, kNumLmuCellTensors>;

/// Throws InvalidArgument where the kernels would read outside of a tensor.
void check_lmu_cell(const LmuCellTensors& tensors);

struct LmuCellKept {
  at::Tensor h, m_n;  ///< results
  at::Tensor m, u;    ///< (T, B, N), (T, B): for the backward
};

/// The fused kernels. keep: fill `m` and `u`.
LmuCellKept lmu_cell_cpu(const LmuCellTensors& tensors, bool keep);
LmuCellTensors lmu_cell_backward_cpu(const at::Tensor& d_h, const at::Tensor& d_m_n,
                                     const at::Tensor& h, const at::Tensor& m, const at::Tensor& u,
                                     const LmuCellTensors& tensors, const LmuCellNeeds& needs);

}  // namespace tessera::ops
