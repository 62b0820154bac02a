#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "tessera/core/tensor_map.h"

namespace tessera::cases {

/// How one computed tensor compares with the recorded one.
struct Comparison {
  std::string name;
  bool holds = false;
  double max_abs = 0;  ///< largest |ours − recorded|
  double max_rel = 0;  ///< largest |ours − recorded| / |recorded|; infinite where recorded is 0
  /// Largest |ours − recorded| / (atol + rtol·|recorded|): holds where at most 1.
  double used = 0;
  std::string reason;  ///< why it cannot be compared: "missing", "shape [3] instead of []"
};

/// Equal in dtype and shape, and |ours − recorded| ≤ atol + rtol·|recorded| everywhere. NaN and
/// infinities equal only themselves.
Comparison compare(const std::string& name, const at::Tensor& ours, const at::Tensor& recorded,
                   double rtol, double atol);

/// One row for each tensor of `recorded`; one that `ours` lacks does not hold, one that `recorded`
/// lacks is left out.
std::vector<Comparison> compare(const TensorMap& ours, const TensorMap& recorded, double rtol,
                                double atol);

}  // namespace tessera::cases
