#pragma once

#include <vector>

#include "tessera/systems/system.h"

namespace tessera::ugs {

/// prune, macs_and_schedule; forward and trace, whose cases have a layout of their own.
std::vector<Procedure> procedures();

/// Multiplications of the weight products of a dense two-layer network, Σ N·in·out, and with the
/// two propagations, P first.
int64_t dense_macs(int64_t nodes, int64_t features, int64_t hidden, int64_t classes);
int64_t full_macs(int64_t nodes, int64_t features, int64_t hidden, int64_t classes,
                  int64_t adjacency_nonzeros);

}  // namespace tessera::ugs
