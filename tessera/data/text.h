#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tessera/data/source.h"

namespace tessera::data {

/// A text, byte by byte.
struct Text {
  std::string alphabet;         ///< its distinct bytes, ascending
  std::vector<uint8_t> places;  ///< of each byte in the alphabet

  /// The places of another text's bytes; of one that the alphabet lacks, that of a space, else 0.
  std::vector<int64_t> encode(std::string_view text) const;
};

/// Any file: plain, gzip, bzip2, xz, or a zip with one file in it, as text8.zip. Throws BadFile
/// (empty, damaged, above 4 GiB), Io.
Text read_text_file(const std::string& path);

DataSource text8_source();

}  // namespace tessera::data
