#pragma once

#include <cstdint>
#include <string>

#include "tessera/data/series.h"

namespace tessera::data {

// Series that are made up, in the shapes of two published sets: for trying a path from training to
// prediction, for tests and for timing where the sets are not at hand. A result on them says
// nothing of the sets.

/// In EigenWorms' shape: 6 channels, 5 classes in turn. A channel is a sinusoid, whose period (from
/// 40 to 200 steps) and phase from channel to channel the class sets, about a mean of the class,
/// and noise.
SeriesSet generated_worms(int64_t size, int64_t steps, uint64_t seed);

/// In BIDMC's shape: at 125 steps a second a pulse wave, whose height follows the breath and the
/// blood's oxygen, and the spikes of a heart over a baseline that follows the breath, and noise.
/// The target is the quantity's (bidmc_quantities()): rr in 8..30, hr in 50..110, spo2 in 90..100.
/// The series are the same whatever the quantity.
SeriesSet generated_pulses(const std::string& quantity, int64_t size, int64_t steps, uint64_t seed);

}  // namespace tessera::data
