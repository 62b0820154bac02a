#include "tessera/io/idx.h"

#include <algorithm>
#include <optional>
#include <string>

#include "tessera/io/cursor.h"

namespace tessera::io {
namespace {

std::optional<ElementType> type_of(uint8_t code) {
  switch (code) {
    case 0x08:
      return ElementType::kU8;
    case 0x09:
      return ElementType::kI8;
    case 0x0b:
      return ElementType::kI16;
    case 0x0c:
      return ElementType::kI32;
    case 0x0d:
      return ElementType::kF32;
    case 0x0e:
      return ElementType::kF64;
    default:
      return std::nullopt;
  }
}

}  // namespace

IdxArray parse_idx(std::span<const std::byte> bytes, std::string_view file) {
  const Origin origin{"idx", file};
  Cursor cursor(bytes, origin, "T-IDX-01");
  const auto magic = cursor.big<uint32_t>("magic");
  const std::optional<ElementType> type = type_of(static_cast<uint8_t>(magic >> 8));
  const auto rank = static_cast<uint8_t>(magic);
  if (magic >> 16 != 0 || !type || rank > kMaxRank) {
    origin.bad("T-IDX-02", "the file must begin with 0, 0, an element type and at most 64 axes",
               shown(as_text(bytes.first(4))), "It may be no IDX file.");
  }
  IdxArray array{.type = *type, .shape = {}, .data = {}};
  for (int axis = 0; axis < rank; ++axis) array.shape.push_back(cursor.big<uint32_t>("sizes"));
  array.data = cursor.rest();
  const std::optional<uint64_t> size = byte_size(array.shape, array.type);
  if (!size) origin.bad("T-IDX-03", "the array must be smaller than 2^63 bytes", "an overflow");
  if (array.data.size() != *size) {
    origin.bad("T-IDX-04",
               "the data must have the " + std::to_string(*size) + " bytes of their sizes and type",
               std::to_string(array.data.size()), "It may be cut short: fetch it again.");
  }
  return array;
}

std::vector<std::byte> little_endian_bytes(const IdxArray& array) {
  std::vector<std::byte> bytes(array.data.begin(), array.data.end());
  const auto width = static_cast<std::ptrdiff_t>(width_of(array.type));
  for (auto at = bytes.begin(); at != bytes.end(); at += width) std::reverse(at, at + width);
  return bytes;
}

}  // namespace tessera::io
