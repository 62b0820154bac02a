#pragma once

#include <string>

#include "tessera/core/error.h"

namespace tessera::ugs {

/// Throws InvalidArgument of this system.
[[noreturn]] inline void refuse(const std::string& rule, const std::string& got, const char* id) {
  fail<InvalidArgument>({.where = "ugs", .rule = rule, .got = got, .id = id});
}

}  // namespace tessera::ugs
