#pragma once

#include <cstdint>
#include <string>

#include "tessera/core/config.h"

namespace tessera::skeleton {

/// The network and what it is compared with: a key that an architecture does not use is ignored.
struct SkeletonConfig final : Config {
  std::string architecture = "skeleton";
  int64_t in_dim = 3, out_dim = 1, hidden_dim = 16;

  void fields(FieldList& list) override;
};

}  // namespace tessera::skeleton
