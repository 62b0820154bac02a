#include "tessera/ops/relu_dropout_args.h"

namespace tessera::ops::CPU_CAPABILITY {

namespace {

// Plain loops over the lanes of a group: the compiler makes vectors of them, and every instruction
// set gives the same bits.

template <class T>
void forward(const ReluDropout<T>& r, int64_t begin, int64_t end) {
  for (int64_t group = begin; group < end; ++group) {
    uint32_t word[4][kDropoutLanes];
    const uint64_t counter = static_cast<uint64_t>(group) * kDropoutLanes;
    for (int lane = 0; lane < kDropoutLanes; ++lane) {
      uint32_t c0 = static_cast<uint32_t>(counter) + static_cast<uint32_t>(lane);
      uint32_t c1 = static_cast<uint32_t>(counter >> 32), c2 = 0, c3 = 0;
      philox(r.seed, c0, c1, c2, c3);
      word[0][lane] = c0;
      word[1][lane] = c1;
      word[2][lane] = c2;
      word[3][lane] = c3;
    }
    const uint32_t* words = &word[0][0];
    const int64_t first = group * kDropoutGroup;
    const auto step = [&](int i) {
      const T x = r.x[first + i];
      // A comparison that keeps NaN, as relu does.
      r.out[first + i] = x <= T(0) || words[i] < r.threshold ? T(0) : x * r.scale;
    };
    if (first + kDropoutGroup <= r.count) {
      for (int i = 0; i < kDropoutGroup; ++i) step(i);
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
