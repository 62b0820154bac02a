#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string_view>

#include "tessera/core/json.h"

namespace tessera::cli {

/// Results go to standard output through these; a closed pipe or a full disk is seen at the end, by
/// main, not in the midst of a computation.
inline void put(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

template <class... T>
void line(fmt::format_string<T...> format, T&&... values) {
  put(fmt::format(format, std::forward<T>(values)...) + "\n");
}

inline void put_json(const Json& value) {
  // Bytes that are not UTF-8 (a file name, say) are replaced instead of thrown at.
  put(value.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace tessera::cli
