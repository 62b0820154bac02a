#pragma once

#include <cstdint>
#include <string_view>

#include "tessera/core/rng.h"

namespace tessera::data {

/// A few draws for one image, from a seed and the name of what they are for: SplitMix64, so that
/// an image costs no generator of 5 kB and no lock.
class Dice {
 public:
  Dice(uint64_t seed, std::string_view name) : state_(stream_seed(seed, name)) {}

  uint64_t next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  /// One of 0 … n−1; n below 2³², so that the bias is below 2⁻³².
  int64_t below(int64_t n) { return static_cast<int64_t>(next() % static_cast<uint64_t>(n)); }
  /// [0, 1)
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }
  bool is_heads() { return next() >> 63 != 0; }

 private:
  uint64_t state_;
};

}  // namespace tessera::data
