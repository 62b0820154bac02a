#pragma once

#include <string>
#include <string_view>

namespace tessera::io {

/// What a reader has in its hands: complaints begin "[format] file: ". The file may be unknown.
struct Origin {
  std::string_view format;  ///< "safetensors"
  std::string_view file;

  /// Throw BadFile or Unsupported: "[format] file: rule, but got X. Next.  (id)".
  [[noreturn]] void bad(std::string_view id, std::string_view rule, std::string_view got = {},
                        std::string_view next = {}) const;
  [[noreturn]] void unsupported(std::string_view id, std::string_view rule,
                                std::string_view got = {}, std::string_view next = {}) const;
};

/// Text from a hostile file, fit for a one-line message: quoted, cut, control bytes as "\x07".
std::string shown(std::string_view text);

}  // namespace tessera::io
