#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/systems/claim.h"
#include "tessera/systems/figures.h"

namespace tessera::egnn {

/// Where particles go: true paths, true ends, and the ends that each model predicts, of the first
/// `count` systems of the test split of nbody_small.
Figure trajectories_figure(const std::vector<std::pair<Contestant, TrainOutcome>>& trainings,
                           int64_t count);

/// The adjacency matrices of test graphs (title, place in the data set of `num_graphs`) beside the
/// edge probabilities of each model, for the first draw of noise.
Figure adjacency_figure(const std::vector<std::pair<Contestant, TrainOutcome>>& trainings,
                        int64_t num_graphs,
                        const std::vector<std::pair<std::string, int64_t>>& graphs);

}  // namespace tessera::egnn
