#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "tessera/io/element_type.h"

namespace tessera::io {

struct NpyArray {
  ElementType type = ElementType::kU8;
  std::vector<int64_t> shape;
  bool is_fortran_order = false;    ///< the first axis varies fastest
  std::span<const std::byte> data;  ///< views the file; little-endian
};

/// Parses a .npy file of version 1, 2 or 3: bools, integers and floats in little-endian order, the
/// data filling the file exactly. The header, a Python dict literal, is parsed, never evaluated.
/// Throws BadFile; Unsupported on pickled objects, big-endian, text, complex or record arrays.
NpyArray parse_npy(std::span<const std::byte> bytes, std::string_view file = {});

}  // namespace tessera::io
