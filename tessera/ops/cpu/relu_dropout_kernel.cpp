#include "tessera/ops/cpu/tile.h"
#include "tessera/ops/relu_dropout_args.h"

namespace tessera::ops::CPU_CAPABILITY {

namespace {

// Random words come from plain loops over the lanes of a group: the compiler makes vectors of them,
// and every instruction set gives the same bits.

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
  const Vec<T> zero(T(0));
  for (int64_t group = begin; group < end; ++group) {
    uint32_t word[4][kDropoutLanes];
    draw(static_cast<uint64_t>(group) * kDropoutLanes, r.seed, word);
    const uint32_t* words = &word[0][0];
    // Only integers decide here: the comparison of x below is the vectors'.
    T factor[kDropoutGroup];
    for (int i = 0; i < kDropoutGroup; ++i) factor[i] = words[i] < r.threshold ? T(0) : r.scale;
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
