#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera::io {

/// A decoded picture: rows from the top, in each pixel red, green, blue.
struct Raster {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> rgb;  ///< height · width · 3
};

/// More than any camera's picture; less than what a header of a few bytes could make us allocate.
inline constexpr int64_t kMostPixels = int64_t{1} << 26;

}  // namespace tessera::io
