#include "tessera/core/memory.h"

#include <malloc.h>

#include <limits>

namespace tessera {

void keep_freed_memory() {
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_TOP_PAD, 64 << 20);
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
}

}  // namespace tessera
