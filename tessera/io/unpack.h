#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace tessera::io {

/// The content of a file in whatever packing its first bytes say: gzip, bzip2, xz, else as it is.
/// `storage` keeps what was unpacked; the result views it, or `bytes`. Throws as the packings do,
/// BadFile on more than `limit` bytes.
std::span<const std::byte> unpack(std::span<const std::byte> bytes, size_t limit,
                                  std::vector<std::byte>& storage, std::string_view file = {});

}  // namespace tessera::io
