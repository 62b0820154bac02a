#include "tessera/data/mt19937.h"

#include <algorithm>
#include <span>

namespace tessera::data {
namespace {

constexpr int kMiddle = 397;

uint32_t twist(uint32_t high, uint32_t low) {
  const uint32_t mixed = (high & 0x80000000u) | (low & 0x7fffffffu);
  return (mixed >> 1) ^ ((mixed & 1u) != 0 ? 0x9908b0dfu : 0u);
}

}  // namespace

void Mt19937::seed(uint32_t seed) {
  state_[0] = seed;
  for (uint32_t i = 1; i < kWords; ++i) {
    state_[i] = 1812433253u * (state_[i - 1] ^ (state_[i - 1] >> 30)) + i;
  }
  position_ = kWords;
}

void Mt19937::seed_by_array(uint64_t seed) {
  const std::array<uint32_t, 2> words = {static_cast<uint32_t>(seed),
                                         static_cast<uint32_t>(seed >> 32)};
  const std::span<const uint32_t> key(words.data(), words[1] == 0 ? 1 : 2);
  this->seed(19650218u);

  size_t i = 1, j = 0;
  const auto mix = [&](uint32_t factor) {
    return state_[i] ^ ((state_[i - 1] ^ (state_[i - 1] >> 30)) * factor);
  };
  const auto advance = [&] {
    if (++i == kWords) {
      state_[0] = state_[kWords - 1];
      i = 1;
    }
  };
  for (int k = 0; k < kWords; ++k) {
    state_[i] = mix(1664525u) + key[j] + static_cast<uint32_t>(j);
    j = (j + 1) % key.size();
    advance();
  }
  for (int k = 0; k < kWords - 1; ++k) {
    state_[i] = mix(1566083941u) - static_cast<uint32_t>(i);
    advance();
  }
  state_[0] = 0x80000000u;
}

void Mt19937::refill() {
  for (int i = 0; i < kWords; ++i) {
    state_[i] = state_[(i + kMiddle) % kWords] ^ twist(state_[i], state_[(i + 1) % kWords]);
  }
  position_ = 0;
}

uint32_t Mt19937::next() {
  if (position_ == kWords) refill();
  uint32_t y = state_[position_++];
  y ^= y >> 11;
  y ^= (y << 7) & 0x9d2c5680u;
  y ^= (y << 15) & 0xefc60000u;
  return y ^ (y >> 18);
}

double Mt19937::uniform() {
  const double high = next() >> 5, low = next() >> 6;
  return (high * 0x1p26 + low) * 0x1p-53;
}

void Mt19937::skip(uint64_t count) {
  while (count > 0) {
    if (position_ == kWords) refill();
    const auto step = std::min<uint64_t>(count, static_cast<uint64_t>(kWords - position_));
    position_ += static_cast<int>(step);
    count -= step;
  }
}

}  // namespace tessera::data
