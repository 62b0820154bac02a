#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "tessera/io/origin.h"

namespace tessera::io {

/// Little-endian and big-endian loads of unsigned integers; `bytes` must hold sizeof(T).
template <std::unsigned_integral T>
T load_little(std::span<const std::byte> bytes) {
  T value = 0;
  for (size_t i = sizeof(T); i-- > 0;)
    value = static_cast<T>(value << 8 | static_cast<T>(bytes[i]));
  return value;
}

template <std::unsigned_integral T>
T load_big(std::span<const std::byte> bytes) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i)
    value = static_cast<T>(value << 8 | static_cast<T>(bytes[i]));
  return value;
}

inline std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Walks over bytes from outside and never past their end: what is missing throws BadFile `id`.
class Cursor {
 public:
  Cursor(std::span<const std::byte> bytes, const Origin& origin, std::string_view id)
      : bytes_(bytes), origin_(origin), id_(id) {}

  /// The next `size` bytes; `what` names them in the complaint.
  std::span<const std::byte> take(uint64_t size, std::string_view what);
  template <std::unsigned_integral T>
  T little(std::string_view what) {
    return load_little<T>(take(sizeof(T), what));
  }
  template <std::unsigned_integral T>
  T big(std::string_view what) {
    return load_big<T>(take(sizeof(T), what));
  }
  void skip(uint64_t size, std::string_view what) { take(size, what); }

  std::span<const std::byte> rest() const { return bytes_; }
  size_t remaining() const { return bytes_.size(); }

 private:
  std::span<const std::byte> bytes_;
  Origin origin_;
  std::string_view id_;
};

}  // namespace tessera::io
