#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "tessera/io/raster.h"

namespace tessera::io {

/// The bytes begin as a PNG file does.
bool is_png(std::span<const std::byte> bytes);

/// Decodes a PNG of any kind to eight bits of red, green and blue: grey and palettes are expanded,
/// the low bytes of 16-bit samples and all transparency are dropped, gamma is left as it is.
/// Throws BadFile: no PNG, a side or a picture too large, less data than its size can be packed in,
/// damaged or cut data.
Raster decode_png(std::span<const std::byte> bytes, std::string_view file = {},
                  int64_t most_pixels = kMostPixels);

}  // namespace tessera::io
