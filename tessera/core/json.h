#pragma once

#include <nlohmann/json.hpp>

namespace tessera {

/// The neutral value of configurations, case metadata and result files. Keeps the order of keys.
using Json = nlohmann::ordered_json;

}  // namespace tessera
