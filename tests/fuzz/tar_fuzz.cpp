#include <cstdio>
#include <cstring>

#include "tests/fuzz/readers.h"

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return tessera::fuzz::run(tessera::fuzz::read_tar, data, size);
}

/// Random bytes hardly ever carry the right checksum: mends it in most mutants, so that what lies
/// behind the check is tried too.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned seed) {
  constexpr size_t kBlock = 512, kMagicAt = 257, kSumAt = 148, kSumSize = 8;
  size = LLVMFuzzerMutate(data, size, max_size);
  if (seed % 8 == 0) return size;
  for (uint8_t* block = data; block + kBlock <= data + size; block += kBlock) {
    if (std::memcmp(block + kMagicAt, "ustar", 5) != 0) continue;
    std::memset(block + kSumAt, ' ', kSumSize);
    unsigned sum = 0;
    for (size_t i = 0; i < kBlock; ++i) sum += block[i];
    std::snprintf(reinterpret_cast<char*>(block + kSumAt), kSumSize, "%06o", sum);
  }
  return size;
}
