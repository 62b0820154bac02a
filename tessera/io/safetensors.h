#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tessera/io/element_type.h"

namespace tessera::io {

/// The format's own cap: a larger header is an attack, not a model.
inline constexpr uint64_t kSafetensorsHeaderLimit = 100'000'000;

struct SafetensorsEntry {
  std::string name;
  ElementType type = ElementType::kU8;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;  ///< bytes within SafetensorsHeader::data
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;                      ///< in the order of their bytes
  std::vector<std::pair<std::string, std::string>> metadata;  ///< ordered by key
  std::span<const std::byte> data;                            ///< views the file
};

/// Parses and checks a whole safetensors file: a header of at most 100,000,000 bytes that is one
/// JSON object (UTF-8, from '{' to '}', padded with spaces only), keys given once, metadata of
/// strings, entries of exactly dtype, shape and data_offsets, sizes that multiply to the bytes they
/// span, and data that fill the file from 0 to exactly its end without hole or overlap. Throws
/// BadFile; Unsupported on an element type that Tessera does not read.
SafetensorsHeader parse_safetensors(std::span<const std::byte> bytes, std::string_view file = {});

/// A tensor to be written: contiguous bytes in row-major order.
struct SafetensorsTensor {
  std::string name;
  ElementType type = ElementType::kU8;
  std::vector<int64_t> shape;
  std::span<const std::byte> data;
};

/// Writes a file atomically. Tensors are ordered by falling element width, then name, so each is
/// aligned for its type; metadata by key; the header is padded with spaces to 8 bytes: equal
/// content gives equal bytes. Throws InvalidArgument on a name given twice, a tensor named
/// "__metadata__", text that is not UTF-8 or a header beyond the cap; Io.
void write_safetensors(const std::string& path, std::vector<SafetensorsTensor> tensors,
                       std::vector<std::pair<std::string, std::string>> metadata = {});

}  // namespace tessera::io
