#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "tessera/io/raster.h"

namespace tessera::io {

/// The bytes begin as a JPEG file does.
bool is_jpeg(std::span<const std::byte> bytes);

/// Decodes a JPEG (baseline or progressive; grey, YCbCr, RGB, CMYK, YCCK) to red, green and blue
/// with libjpeg's accurate transform and smooth upsampling. An orientation in its EXIF data is not
/// applied. Throws BadFile: no JPEG, a picture too large, more scans than a picture has, damaged
/// or cut data.
Raster decode_jpeg(std::span<const std::byte> bytes, std::string_view file = {},
                   int64_t most_pixels = kMostPixels);

}  // namespace tessera::io
