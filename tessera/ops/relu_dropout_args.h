#pragma once

#include <cstdint>

// Between the files of the operator `relu_dropout`: no torch.

namespace tessera::ops {

/// Elements are drawn in groups of 64: counter group·16 + lane gives the four words of the elements
/// lane, 16 + lane, 32 + lane and 48 + lane of the group.
inline constexpr int kDropoutLanes = 16, kDropoutGroup = 64;

template <class T>
struct ReluDropout {
  int64_t count;
  const T *x, *d;      ///< input; of the backward the result, and the gradient by it
  uint64_t seed;       ///< Philox's key
  uint32_t threshold;  ///< an element is kept where its word is at least this: ⌊p·2³²⌋
  T scale;             ///< 1 / (1 − p)
  T* out;
};

inline constexpr uint32_t kPhiloxMultiplier0 = 0xD2511F53, kPhiloxMultiplier1 = 0xCD9E8D57;
inline constexpr uint32_t kPhiloxWeyl0 = 0x9E3779B9, kPhiloxWeyl1 = 0xBB67AE85;
inline constexpr int kPhiloxRounds = 10;

/// Philox 4×32 (Salmon, Moraes, Dror, Shaw, 2011): one round under the round's key.
constexpr void philox_round(uint32_t k0, uint32_t k1, uint32_t& c0, uint32_t& c1, uint32_t& c2,
                            uint32_t& c3) {
  const uint64_t p0 = uint64_t{c0} * kPhiloxMultiplier0, p1 = uint64_t{c2} * kPhiloxMultiplier1;
  c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
  c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
  c1 = static_cast<uint32_t>(p1);
  c3 = static_cast<uint32_t>(p0);
}

/// The counter becomes four random words.
constexpr void philox(uint64_t key, uint32_t& c0, uint32_t& c1, uint32_t& c2, uint32_t& c3) {
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    philox_round(k0, k1, c0, c1, c2, c3);
    k0 += kPhiloxWeyl0;
    k1 += kPhiloxWeyl1;
  }
}

/// The loops of one instruction set, over groups [begin, end).
template <class T>
struct ReluDropoutKernels {
  void (*forward)(const ReluDropout<T>&, int64_t begin, int64_t end);
  void (*backward)(const ReluDropout<T>&, int64_t begin, int64_t end);
};

namespace AVX512 {
template <class T>
ReluDropoutKernels<T> relu_dropout_kernels();
}  // namespace AVX512
namespace AVX2 {
template <class T>
ReluDropoutKernels<T> relu_dropout_kernels();
}  // namespace AVX2
namespace DEFAULT {
template <class T>
ReluDropoutKernels<T> relu_dropout_kernels();
}  // namespace DEFAULT

}  // namespace tessera::ops
