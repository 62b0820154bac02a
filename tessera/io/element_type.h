#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tessera::io {

/// What the elements of a stored array are: the kinds that safetensors, npy and IDX share with
/// ATen.
enum class ElementType {
  kBool,
  kU8,
  kI8,
  kU16,
  kI16,
  kF16,
  kBF16,
  kU32,
  kI32,
  kF32,
  kU64,
  kI64,
  kF64
};

size_t width_of(ElementType type);           ///< bytes an element
std::string_view name_of(ElementType type);  ///< safetensors' spelling: "F32"

/// More axes than any real array has; ATen's own containers cope with them.
inline constexpr size_t kMaxRank = 64;

/// Π shape · width in bytes, or nothing where a size is negative or the product of the non-zero
/// sizes overflows: strides are computed from those even where the array is empty.
std::optional<uint64_t> byte_size(std::span<const int64_t> shape, ElementType type);

}  // namespace tessera::io
