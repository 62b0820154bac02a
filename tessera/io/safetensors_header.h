#pragma once

#include <string_view>

#include "tessera/io/origin.h"
#include "tessera/io/safetensors.h"

namespace tessera::io {

/// Parses the JSON of a header: names, types, shapes, offsets and metadata, each key once. Whether
/// offsets fit the file is left to parse_safetensors. Throws BadFile or Unsupported.
SafetensorsHeader parse_safetensors_json(std::string_view text, const Origin& origin);

}  // namespace tessera::io
