#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tessera/io/element_type.h"

namespace tessera::io {

struct IdxArray {
  ElementType type = ElementType::kU8;  ///< U8, I8, I16, I32, F32 or F64
  std::vector<int64_t> shape;
  std::span<const std::byte> data;  ///< views the file; big-endian
};

/// Parses an uncompressed IDX file, MNIST's format, whose data fill it exactly. Throws BadFile.
IdxArray parse_idx(std::span<const std::byte> bytes, std::string_view file = {});

/// The array's bytes in little-endian order.
std::vector<std::byte> little_endian_bytes(const IdxArray& array);

}  // namespace tessera::io
