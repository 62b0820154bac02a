#pragma once

// What the caller (mmse_threshold_search.cpp) and the kernels (mmse_threshold_search_kernel.cpp)
// share: no torch.

#include <cstdint>

namespace tessera::ops {

/// Elements whose candidates are all scored before the next are read: they stay in the first cache.
inline constexpr int64_t kThresholdTile = 4096;

/// Adds Σ (q − a)² of `count` elements to scores[i] for each of `num` candidates c[i]; a[count …]
/// has room for a whole vector.
template <class T>
using ThresholdKernelOf = void (*)(T* a, int64_t count, const T* c, int64_t num, int64_t steps,
                                   double* scores);

namespace AVX512 {
template <class T>
ThresholdKernelOf<T> threshold_kernel(int64_t steps);
}  // namespace AVX512
namespace AVX2 {
template <class T>
ThresholdKernelOf<T> threshold_kernel(int64_t steps);
}  // namespace AVX2
namespace DEFAULT {
template <class T>
ThresholdKernelOf<T> threshold_kernel(int64_t steps);
}  // namespace DEFAULT

}  // namespace tessera::ops
