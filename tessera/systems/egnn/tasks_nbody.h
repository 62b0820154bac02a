#pragma once

#include "tessera/systems/task.h"

namespace tessera::egnn {

/// Where charged particles are after a time, from positions, velocities and charges now (paper,
/// section 5.1). Batches have x, vel, charges, h, edge_index, edge_attr and target, flat over
/// B systems of 5 particles. Loss: mean squared error over particles and axes.
TaskFactory nbody_task();

}  // namespace tessera::egnn
