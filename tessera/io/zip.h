#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::io {

struct ZipEntry {
  std::string name;
  uint64_t size = 0;  ///< uncompressed
  uint32_t crc = 0;
  bool is_deflated = false;
  std::span<const std::byte> data;  ///< as stored; views the archive
};

/// The central directory of a zip archive in memory (stored and deflated files, zip64), checked
/// against the local headers: names without folders and given once, data that lie before the
/// directory and nowhere overlap, and at most `limit` bytes uncompressed in all.
/// Throws BadFile; Unsupported on encryption, other compressions or split archives.
std::vector<ZipEntry> read_zip_directory(std::span<const std::byte> bytes, uint64_t limit,
                                         std::string_view file = {});

/// The uncompressed bytes of an entry, their CRC checked. Throws BadFile.
std::vector<std::byte> read_zip_entry(const ZipEntry& entry, std::string_view file = {});

}  // namespace tessera::io
