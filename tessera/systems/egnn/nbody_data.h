#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tessera/core/tensor_map.h"
#include "tessera/systems/egnn/simulator.h"
#include "tessera/systems/task.h"

namespace tessera::egnn {

/// A run of systems from a generator's stream: `drawn` are drawn, the first `kept` simulated.
struct StreamPart {
  std::string name;
  int64_t drawn, kept;
};

/// Simulates the parts of one stream (numpy seed `seed`), threads over systems; the same bits at
/// any thread count. Returns NAME/loc and NAME/vel (S, frames, n, 3) and NAME/charges (S, n, 1) or,
/// of springs, NAME/edges (S, n, n), float32 as the authors read their files.
TensorMap simulate_stream(const SimulatorConfig& config, uint32_t seed,
                          std::span<const StreamPart> parts,
                          const std::function<void(double fraction)>& progress = {});

/// Trajectories of one split of a data set.
struct NbodyTrajectories {
  at::Tensor loc, vel;                      ///< (S, frames, 5, 3) float32
  at::Tensor charges;                       ///< (S, 5, 1)
  int64_t first_frame = 0, last_frame = 0;  ///< input and target of the task
};

/// The names: nbody_small, nbody, nbody_small_out_dist.
const std::vector<std::string>& nbody_data_names();

/// The trajectories of a data set, `train_size` of them in training. Validation and test are
/// nbody_small's whatever the name, as the authors have it. Generated once and kept under
/// `data_root`/egnn. Throws InvalidArgument on a size that the data set does not have, Io.
NbodyTrajectories load_nbody(const std::string& name, Split split, int64_t train_size,
                             const std::string& data_root,
                             const std::function<void(const std::string&, double)>& progress = {});

}  // namespace tessera::egnn
