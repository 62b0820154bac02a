#include <bit>
#include <cstring>

#include "tessera/ops/cpu/tile.h"
#include "tessera/ops/relu_dropout_args.h"

namespace tessera::ops::CPU_CAPABILITY {

namespace {

// Random words come from integers alone, so that every instruction set gives the same bits.

/// Counters in 64-bit lanes: the processor's product of two low halves fills a lane, and what is
/// in a high half beside it never enters a product.
#if defined(CPU_CAPABILITY_AVX512)
constexpr int kLaneBytes = 64;
#elif defined(CPU_CAPABILITY_AVX2)
constexpr int kLaneBytes = 32;
#else
constexpr int kLaneBytes = 16;
#endif
using Wide [[gnu::vector_size(kLaneBytes)]] = uint64_t;
using Narrow [[gnu::vector_size(kLaneBytes / 2)]] = uint32_t;
constexpr int kLanes = kLaneBytes / 8;

/// a·b of the low halves.
inline Wide low_product(Wide a, uint32_t b) {
#if defined(CPU_CAPABILITY_AVX512)
  return (Wide)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(b));
#elif defined(CPU_CAPABILITY_AVX2)
  return (Wide)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(b));
#else
  return (a & uint64_t{0xFFFFFFFF}) * uint64_t{b};
#endif
}

/// The scale where a word is at least the threshold, else 0.
inline void store_kept(const Wide& word, uint32_t threshold, float scale, float* to) {
  const Narrow low = __builtin_convertvector(word, Narrow);
  const Narrow kept = (Narrow)(low >= threshold) & std::bit_cast<uint32_t>(scale);
  std::memcpy(to, &kept, sizeof(kept));
}
inline void store_kept(const Wide& word, uint32_t threshold, double scale, double* to) {
  const Wide low = word & uint64_t{0xFFFFFFFF};
  const Wide kept = (Wide)(low >= uint64_t{threshold}) & std::bit_cast<uint64_t>(scale);
  std::memcpy(to, &kept, sizeof(kept));
}

/// What the elements of a group are multiplied by.
template <class T>
void draw(const ReluDropout<T>& r, uint64_t group, T (&factor)[kDropoutGroup]) {
  constexpr uint64_t kLane[kDropoutLanes] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const uint64_t first = group * kDropoutLanes;
  for (int begin = 0; begin < kDropoutLanes; begin += kLanes) {
    Wide c0, c1 = Wide{} + (first >> 32), c2{}, c3{};
    std::memcpy(&c0, kLane + begin, sizeof(c0));
    c0 += uint64_t{static_cast<uint32_t>(first)};
    uint32_t k0 = static_cast<uint32_t>(r.seed), k1 = static_cast<uint32_t>(r.seed >> 32);
#pragma GCC unroll 10
    for (int round = 0; round < kPhiloxRounds; ++round) {
      const Wide p0 = low_product(c0, kPhiloxMultiplier0), p1 = low_product(c2, kPhiloxMultiplier1);
      c0 = (p1 >> 32) ^ c1 ^ uint64_t { k0 };
      c2 = (p0 >> 32) ^ c3 ^ uint64_t { k1 };
      c1 = p1;
      c3 = p0;
      k0 += kPhiloxWeyl0;
      k1 += kPhiloxWeyl1;
    }
    const Wide words[4] = {c0, c1, c2, c3};
    for (int i = 0; i < 4; ++i) {
      store_kept(words[i], r.threshold, r.scale, factor + i * kDropoutLanes + begin);
    }
  }
}

template <class T>
void forward(const ReluDropout<T>& r, int64_t begin, int64_t end) {
  const Vec<T> zero(T(0));
  for (int64_t group = begin; group < end; ++group) {
    T factor[kDropoutGroup];
    draw(r, static_cast<uint64_t>(group), factor);
    const int64_t first = group * kDropoutGroup;
    const int64_t count = r.count - first < kDropoutGroup ? r.count - first : kDropoutGroup;
    for_each_vector<T>(count, [&](int64_t i, int64_t lanes) {
      const Vec<T> x = load<T>(r.x + first + i, lanes);
      // A comparison that keeps NaN, as relu does.
      const Vec<T> kept = x * load<T>(factor + i, lanes);
      store<T>(Vec<T>::blendv(kept, zero, x <= zero), r.out + first + i, lanes);
    });
  }
}

template <class T>
void backward(const ReluDropout<T>& r, int64_t begin, int64_t end) {
  const int64_t first = begin * kDropoutGroup;
  const int64_t last = end * kDropoutGroup < r.count ? end * kDropoutGroup : r.count;
  const Vec<T> zero(T(0)), scale(r.scale);
  for_each_vector<T>(last - first, [&](int64_t i, int64_t lanes) {
    const Vec<T> d = load<T>(r.d + first + i, lanes) * scale;
    const Vec<T> is_zero = load<T>(r.x + first + i, lanes) == zero;
    store<T>(Vec<T>::blendv(d, zero, is_zero), r.out + first + i, lanes);
  });
}

}  // namespace

template <class T>
ReluDropoutKernels<T> relu_dropout_kernels() {
  return {.forward = forward<T>, .backward = backward<T>};
}

template ReluDropoutKernels<float> relu_dropout_kernels<float>();
template ReluDropoutKernels<double> relu_dropout_kernels<double>();

}  // namespace tessera::ops::CPU_CAPABILITY
