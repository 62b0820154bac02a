#include <ATen/ATen.h>

#include <vector>

#include "tessera/ops/cpu/mmse_threshold_search_kernel.h"
#include "tessera/ops/cpu/workspace.h"
#include "tessera/ops/mmse_threshold_search_args.h"

namespace tessera::ops {
namespace {

template <class T>
ThresholdKernelOf<T> kernel(int64_t steps) {
  switch (instruction_set()) {
    case InstructionSet::kAvx512:
      return AVX512::threshold_kernel<T>(steps);
    case InstructionSet::kAvx2:
      return AVX2::threshold_kernel<T>(steps);
    default:
      return DEFAULT::threshold_kernel<T>(steps);
  }
}

/// What one thread collects: non-zero elements of a channel, scored whenever a tile is full.
template <class T>
class Collector {
 public:
  Collector(const T* candidates, int64_t num, int64_t steps, double* scores)
      : run_(kernel<T>(steps)),
        candidates_(candidates),
        num_(num),
        steps_(steps),
        scores_(scores) {}

  void add(const T* from, int64_t count) {
    while (count > 0) {
      const int64_t taken = std::min(count, kThresholdTile - filled_);
      // Half of a rectified map is zero: without a branch, which would be missed half of the time.
      T* const tile = tile_.data();
      int64_t filled = filled_;
      for (int64_t i = 0; i < taken; ++i) {
        tile[filled] = from[i];
        filled += from[i] != T(0);
      }
      filled_ = filled;
      from += taken;
      count -= taken;
      if (filled_ == kThresholdTile) flush();
    }
  }
  void flush() {
    if (filled_ > 0) run_(tile_.data(), filled_, candidates_, num_, steps_, scores_);
    filled_ = 0;
  }

 private:
  static constexpr int64_t kRoom = 64;  // whole vectors behind the last element
  ThresholdKernelOf<T> run_;
  const T* candidates_;
  int64_t num_, steps_;
  double* scores_;
  std::vector<T> tile_ = std::vector<T>(kThresholdTile + kRoom);
  int64_t filled_ = 0;
};

template <class T>
at::Tensor scores(const at::Tensor& a, const at::Tensor& candidates, int64_t steps) {
  const int64_t samples = a.size(0), channels = a.size(1), size = a.size(2);
  const int64_t num = candidates.size(0);
  const at::Tensor c = candidates.t().contiguous();  // [C, 95]
  const T *values = a.const_data_ptr<T>(), *c_of = c.const_data_ptr<T>();
  // Parts are fixed by the shape alone, so that sums do not depend on the threads.
  constexpr int64_t kPart = 1 << 16;
  const int64_t parts = channels > 1 ? 1 : std::max<int64_t>(size / kPart, 1);
  const at::Tensor partial = at::zeros({parts, channels, num}, at::kDouble);
  double* const sums = partial.mutable_data_ptr<double>();
  for_each_part(parts * channels, [&](int64_t task) {
    const int64_t part = task / channels, channel = task % channels;
    const int64_t begin = part_begin(size, parts, part), end = part_begin(size, parts, part + 1);
    Collector<T> collector(c_of + channel * num, num, steps, sums + task * num);
    for (int64_t n = 0; n < samples; ++n) {
      collector.add(values + (n * channels + channel) * size + begin, end - begin);
    }
    collector.flush();
  });
  return partial.sum(0).t().contiguous();
}

}  // namespace

at::Tensor threshold_scores_cpu(const at::Tensor& a, const at::Tensor& candidates, int64_t steps) {
  const at::Tensor dense = a.contiguous();
  return a.scalar_type() == at::kDouble ? scores<double>(dense, candidates, steps)
                                        : scores<float>(dense, candidates, steps);
}

}  // namespace tessera::ops
