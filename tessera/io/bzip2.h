#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace tessera::io {

/// The bytes begin as a bzip2 file does.
bool is_bzip2(std::span<const std::byte> bytes);

/// Decompresses a bzip2 file (one or more streams). Throws BadFile on damage, truncation, bytes
/// behind the end, or more than `limit` bytes of output.
std::vector<std::byte> bunzip2(std::span<const std::byte> bytes, size_t limit,
                               std::string_view file = {});

}  // namespace tessera::io
