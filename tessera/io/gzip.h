#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace tessera::io {

/// The bytes begin as a gzip file does.
bool is_gzip(std::span<const std::byte> bytes);

/// Decompresses a gzip file (one or more members). Throws BadFile on damage, truncation, bytes
/// behind the end, or more than `limit` bytes of output.
std::vector<std::byte> gunzip(std::span<const std::byte> bytes, size_t limit,
                              std::string_view file = {});

/// Decompresses a raw deflate stream that must use all of `bytes` and give exactly `size` bytes.
std::vector<std::byte> inflate_raw(std::span<const std::byte> bytes, size_t size,
                                   std::string_view file = {});

}  // namespace tessera::io
