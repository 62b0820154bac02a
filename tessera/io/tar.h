#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "tessera/io/origin.h"

namespace tessera::io {

struct TarEntry {
  std::string name;
  std::span<const std::byte> data;  ///< views the archive
};

/// The regular files of a tar archive in memory (v7, ustar, with pax or GNU long names). Folders
/// are passed over. Throws BadFile on a wrong checksum, a size beyond the archive, a path that is
/// absolute or climbs out, a name given twice, or a missing end; Unsupported on links and devices.
class TarReader {
 public:
  explicit TarReader(std::span<const std::byte> bytes, std::string_view file = {});
  /// The next file, or nothing at the end of the archive.
  std::optional<TarEntry> next();

 private:
  std::span<const std::byte> take(size_t size);

  Origin origin_;
  std::span<const std::byte> rest_;
  std::set<std::string> seen_;
};

}  // namespace tessera::io
