#include "tessera/core/version.h"

#include "cli/output.h"
#include "cli/verbs.h"

namespace tessera::cli {

int version(const Arguments&) {
  line("tessera {} (torch {})", kVersion, TESSERA_TORCH_VERSION);
  return 0;
}

}  // namespace tessera::cli
