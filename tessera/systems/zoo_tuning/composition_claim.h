#pragma once

#include "tessera/systems/claim.h"

namespace tessera::zoo_tuning {

/// A zoo of two sources tuned in lite form, merged into a plain network, laid out for two images at
/// a time, and calibrated to spikes: accuracy after each step.
ClaimResult tuned_folded_spiking(Lab& lab);

}  // namespace tessera::zoo_tuning
