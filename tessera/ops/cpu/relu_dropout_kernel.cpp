#include "tessera/ops/relu_dropout_args.h"

namespace tessera::ops::CPU_CAPABILITY {

namespace {

// Plain loops over the lanes of a group: the compiler makes vectors of them, and every instruction
// set gives the same bits.

/// philox() of the counters from `first` on. The rounds are the outer loop, so that the inner one
/// is over lanes.
inline void draw(uint64_t first, uint64_t key, uint32_t (&word)[4][kDropoutLanes]) {
  for (int lane = 0; lane < kDropoutLanes; ++lane) {
    word[0][lane] = static_cast<uint32_t>(first) + static_cast<uint32_t>(lane);
    word[1][lane] = static_cast<uint32_t>(first >> 32);
    word[2][lane] = word[3][lane] = 0;
  }
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < kPhiloxRounds; ++round) {
#pragma omp simd
    for (int lane = 0; lane < kDropoutLanes; ++lane) {
      philox_round(k0, k1, word[0][lane], word[1][lane], word[2][lane], word[3][lane]);
    }
    k0 += kPhiloxWeyl0;
    k1 += kPhiloxWeyl1;
  }
}

template <class T>
void forward(const ReluDropout<T>& r, int64_t begin, int64_t end) {
  for (int64_t group = begin; group < end; ++group) {
    uint32_t word[4][kDropoutLanes];
    draw(static_cast<uint64_t>(group) * kDropoutLanes, r.seed, word);
    const uint32_t* words = &word[0][0];
    const int64_t first = group * kDropoutGroup;
    const auto step = [&](int i) {
      const T x = r.x[first + i];
      // A comparison that keeps NaN, as relu does.
      r.out[first + i] = x <= T(0) || words[i] < r.threshold ? T(0) : x * r.scale;
    };
    if (first + kDropoutGroup <= r.count) {
#pragma omp simd
      for (int i = 0; i < kDropoutGroup; ++i) {
        const T x = r.x[first + i], kept = words[i] < r.threshold ? T(0) : r.scale;
        r.out[first + i] = x <= T(0) ? T(0) : x * kept;
      }
    } else {
      for (int i = 0; i < static_cast<int>(r.count - first); ++i) step(i);
    }
  }
}

template <class T>
void backward(const ReluDropout<T>& r, int64_t begin, int64_t end) {
  const int64_t last = end * kDropoutGroup < r.count ? end * kDropoutGroup : r.count;
  for (int64_t i = begin * kDropoutGroup; i < last; ++i) {
    r.out[i] = r.x[i] == T(0) ? T(0) : r.d[i] * r.scale;
  }
}

}  // namespace

template <class T>
ReluDropoutKernels<T> relu_dropout_kernels() {
  return {.forward = forward<T>, .backward = backward<T>};
}

template ReluDropoutKernels<float> relu_dropout_kernels<float>();
template ReluDropoutKernels<double> relu_dropout_kernels<double>();

}  // namespace tessera::ops::CPU_CAPABILITY
