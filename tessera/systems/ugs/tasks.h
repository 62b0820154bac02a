#pragma once

#include <vector>

#include "tessera/systems/task.h"

namespace tessera::ugs {

/// "citation": classes of a citation graph's nodes. "citation_links": which of its nodes cite each
/// other. Both are one example, the whole graph: an epoch is one update.
std::vector<TaskFactory> tasks();

}  // namespace tessera::ugs
