#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace tessera::io {

/// The bytes begin as an xz file does.
bool is_xz(std::span<const std::byte> bytes);

/// Decompresses an xz file (one or more streams, zeros between them as the format allows). Throws
/// BadFile on damage, truncation, a wrong check, bytes behind the end, a dictionary that no usual
/// preset writes, or more than `limit` bytes of output; Unsupported on a check or filter that this
/// build of liblzma lacks.
std::vector<std::byte> unxz(std::span<const std::byte> bytes, size_t limit,
                            std::string_view file = {});

}  // namespace tessera::io
