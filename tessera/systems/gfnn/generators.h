#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <vector>

// Generated functions that stand in for the paper's data, which are not public.

namespace tessera::gfnn {

/// "hill", "regions", "disc".
const std::vector<std::string>& surface_names();

/// One gross feature and a small local one, u and v in [-1, 1], any shape. Throws InvalidArgument
/// on an unknown name.
at::Tensor surface(const std::string& name, const at::Tensor& u, const at::Tensor& v);

/// A walk (slow) that becomes a run (fast), of made-up joints.
struct Gait {
  at::Tensor joints;  ///< (N, J) angles
  at::Tensor root;    ///< (N, 3) forward speed, turning rate, bounce
};
/// phase in [0, 2π), speed in [0, 1], turn in [-1, 1], each (N).
Gait gait(const at::Tensor& phase, const at::Tensor& speed, const at::Tensor& turn,
          int64_t num_joints = 8);

}  // namespace tessera::gfnn
