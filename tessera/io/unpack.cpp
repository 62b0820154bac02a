#include "tessera/io/unpack.h"

#include "tessera/io/bzip2.h"
#include "tessera/io/gzip.h"
#include "tessera/io/xz.h"

namespace tessera::io {

std::span<const std::byte> unpack(std::span<const std::byte> bytes, size_t limit,
                                  std::vector<std::byte>& storage, std::string_view file) {
  if (is_gzip(bytes)) {
    storage = gunzip(bytes, limit, file);
  } else if (is_bzip2(bytes)) {
    storage = bunzip2(bytes, limit, file);
  } else if (is_xz(bytes)) {
    storage = unxz(bytes, limit, file);
  } else {
    return bytes;
  }
  return storage;
}

}  // namespace tessera::io
