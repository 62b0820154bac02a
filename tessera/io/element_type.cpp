#include "tessera/io/element_type.h"

#include <limits>

namespace tessera::io {

size_t width_of(ElementType type) {
  switch (type) {
    case ElementType::kBool:
    case ElementType::kU8:
    case ElementType::kI8:
      return 1;
    case ElementType::kU16:
    case ElementType::kI16:
    case ElementType::kF16:
    case ElementType::kBF16:
      return 2;
    case ElementType::kU32:
    case ElementType::kI32:
    case ElementType::kF32:
      return 4;
    case ElementType::kU64:
    case ElementType::kI64:
    case ElementType::kF64:
      break;
  }
  return 8;
}

std::string_view name_of(ElementType type) {
  switch (type) {
    case ElementType::kBool:
      return "BOOL";
    case ElementType::kU8:
      return "U8";
    case ElementType::kI8:
      return "I8";
    case ElementType::kU16:
      return "U16";
    case ElementType::kI16:
      return "I16";
    case ElementType::kF16:
      return "F16";
    case ElementType::kBF16:
      return "BF16";
    case ElementType::kU32:
      return "U32";
    case ElementType::kI32:
      return "I32";
    case ElementType::kF32:
      return "F32";
    case ElementType::kU64:
      return "U64";
    case ElementType::kI64:
      return "I64";
    case ElementType::kF64:
      break;
  }
  return "F64";
}

std::optional<uint64_t> byte_size(std::span<const int64_t> shape, ElementType type) {
  constexpr auto kMax = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
  uint64_t product = width_of(type);
  bool is_empty = false;
  for (const int64_t size : shape) {
    if (size < 0) return std::nullopt;
    if (size == 0) {
      is_empty = true;
    } else if (product > kMax / static_cast<uint64_t>(size)) {
      return std::nullopt;
    } else {
      product *= static_cast<uint64_t>(size);
    }
  }
  return is_empty ? 0 : product;
}

}  // namespace tessera::io
