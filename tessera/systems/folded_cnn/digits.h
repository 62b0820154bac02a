#pragma once

#include <cstdint>

#include "tessera/data/images.h"

namespace tessera::folded_cnn {

/// Generated images for experiments without data: one digit of a 5x7 font at double size, anywhere
/// on 3x19x25 pixels, on a background of any level up to 0.6, 0.35 to 0.4 brighter than it, with
/// normal noise of 0.08. `first` skips images: splits of one seed do not overlap.
data::LabelledImages make_digits(int64_t count, uint64_t seed, int64_t first = 0);

}  // namespace tessera::folded_cnn
