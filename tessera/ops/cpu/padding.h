#pragma once

#include <cstdint>

namespace tessera::ops {

/// Columns of scratch tiles are padded to this many elements: whole vectors for every dtype and
/// instruction set, so that layouts do not depend on the machine.
inline constexpr int64_t kLane = 16;

constexpr int64_t padded(int64_t columns) { return (columns + kLane - 1) / kLane * kLane; }

}  // namespace tessera::ops
