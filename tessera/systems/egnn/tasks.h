#pragma once

#include <vector>

#include "tessera/systems/system.h"

namespace tessera::egnn {

/// nbody, graph_autoencoder, qm9, clusters.
std::vector<TaskFactory> tasks();

/// What must be downloaded: QM9's raw files. All other data are generated.
std::vector<DataSource> data_sources();

}  // namespace tessera::egnn
