#pragma once

#include <cstdint>

namespace tessera::ops {

/// Columns of scratch tiles are padded to this many elements: whole vectors for every dtype and
/// instruction set, so that layouts do not depend on the machine.
inline constexpr int64_t kLane = 16;

constexpr int64_t padded(int64_t columns) { return (columns + kLane - 1) / kLane * kLane; }

/// Rows (edges or nodes) that are worked on at once: they stay in the first two caches.
inline constexpr int64_t kTileRows = 48;

/// Work is cut into at most this many ranges.
inline constexpr int64_t kMaxThreads = 64;

}  // namespace tessera::ops
