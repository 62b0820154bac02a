#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tessera/core/tensor_map.h"
#include "tessera/systems/egnn/simulator.h"
#include "tessera/systems/task.h"

namespace tessera::egnn {

/// Systems `first` … `first + count − 1` of the stream of a numpy seed, simulated: threads over
/// systems, the same bits at any number of threads. Returns loc and vel (count, frames, n, 3) and
/// charges (count, n, 1) or, of springs, edges (count, n, n); float32, as the authors read their
/// files.
TensorMap simulate_systems(const SimulatorConfig& config, uint32_t seed, int64_t first,
                           int64_t count,
                           const std::function<void(double fraction)>& progress = {});

/// Trajectories of one split of a data set.
struct NbodyTrajectories {
  at::Tensor loc, vel;                      ///< (S, frames, 5, 3) float32
  at::Tensor charges;                       ///< (S, 5, 1)
  int64_t first_frame = 0, last_frame = 0;  ///< input and target of the task
};

/// The names: nbody_small, nbody, nbody_small_out_dist.
const std::vector<std::string>& nbody_data_names();

/// The first `size` trajectories of a split. Validation and test are nbody_small's whatever the
/// name, as the authors have it. Simulated once and kept under `data_root`/egnn.
/// Throws InvalidArgument on an unknown name or a size that the split does not have; Io.
NbodyTrajectories load_nbody(const std::string& name, Split split, int64_t size,
                             const std::string& data_root,
                             const std::function<void(const std::string&, double)>& progress = {});

}  // namespace tessera::egnn
