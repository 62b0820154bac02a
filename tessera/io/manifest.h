#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera::io {

/// What a checkpoint's folder holds besides the manifest itself.
struct Manifest {
  struct File {
    std::string name;
    uint64_t bytes = 0;
    std::string xxh3;  ///< XXH3-128, 32 hexadecimal digits
  };

  int64_t step = 0;
  std::vector<File> files;  ///< ordered by name
};

/// A plain name that neither hides (leading dot) nor leads to another folder.
bool is_plain_file_name(std::string_view name);

/// {"format": 1, "step": 200, "files": [{"name": …, "bytes": …, "xxh3": …}, …]}
std::string to_text(const Manifest& manifest);

/// Throws BadFile where the text is anything else; Unsupported on another format number.
Manifest parse_manifest(std::span<const std::byte> bytes, std::string_view file = {});

}  // namespace tessera::io
