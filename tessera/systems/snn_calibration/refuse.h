#pragma once

#include <string>

#include "tessera/core/error.h"

namespace tessera::snn_calibration {

/// Throws InvalidArgument of this system.
[[noreturn]] inline void refuse(const std::string& rule, const std::string& got, const char* id,
                                const std::string& next = "") {
  fail<InvalidArgument>(
      {.where = "snn_calibration", .rule = rule, .got = got, .next = next, .id = id});
}

}  // namespace tessera::snn_calibration
