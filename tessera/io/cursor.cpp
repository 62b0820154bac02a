#include "tessera/io/cursor.h"

#include <string>

namespace tessera::io {

std::span<const std::byte> Cursor::take(uint64_t size, std::string_view what) {
  if (size > bytes_.size()) {
    const std::string rule =
        "the file must hold " + std::to_string(size) + " bytes of " + std::string(what);
    origin_.bad(id_, rule, std::to_string(bytes_.size()), "It may be cut short: fetch it again.");
  }
  const std::span<const std::byte> taken = bytes_.first(static_cast<size_t>(size));
  bytes_ = bytes_.subspan(static_cast<size_t>(size));
  return taken;
}

}  // namespace tessera::io
