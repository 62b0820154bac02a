#pragma once

#include <array>
#include <cstdint>

namespace tessera::data {

/// The Mersenne Twister (Matsumoto & Nishimura 1998) with the two seedings that NumPy's legacy
/// generator and CPython's `random` use. std::mt19937 has the first but not the second.
class Mt19937 {
 public:
  /// Knuth's linear recurrence from 32 bits.
  void seed(uint32_t seed);
  /// init_by_array with the 32-bit words of `seed`, lowest first, without leading zero words.
  void seed_by_array(uint64_t seed);

  uint32_t next();
  /// 53 random bits in [0, 1), from two outputs.
  double uniform();
  /// Discards `count` outputs.
  void skip(uint64_t count);

 private:
  static constexpr int kWords = 624;

  void refill();

  std::array<uint32_t, kWords> state_{};
  int position_ = kWords;
};

}  // namespace tessera::data
