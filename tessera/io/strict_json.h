#pragma once

#include <cstddef>
#include <string_view>

#include "tessera/core/json.h"
#include "tessera/io/origin.h"

namespace tessera::io {

/// Deeper documents are attacks on whoever walks them.
inline constexpr size_t kJsonDepthLimit = 32;

/// Parses a JSON document from outside: UTF-8, no key twice in an object, at most kJsonDepthLimit
/// levels, nothing behind the end. Throws BadFile.
Json parse_strict_json(std::string_view text, const Origin& origin);

}  // namespace tessera::io
