#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "tessera/ops/cpu/max_pool_kernel.h"
#include "tessera/ops/cpu/workspace.h"
#include "tessera/ops/max_pool.h"

namespace tessera::ops {
namespace {

// Values that a thread should at least compare before another is worth its start.
constexpr int64_t kGrain = 1 << 14;

MaxPoolKernel kernel_of(InstructionSet set) {
  switch (set) {
    case InstructionSet::kAvx512:
      return AVX512::max_pool_rows;
    case InstructionSet::kAvx2:
      return AVX2::max_pool_rows;
    default:
      return DEFAULT::max_pool_rows;
  }
}

}  // namespace

at::Tensor max_pool(const at::Tensor& x, int64_t kernel, int64_t stride, int64_t padding) {
  const bool is_fast = x.is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 4 &&
                       x.is_contiguous(at::MemoryFormat::ChannelsLast) && padding == 0 &&
                       kernel > 0 && stride > 0 && x.numel() > 0 && x.size(2) >= kernel &&
                       x.size(3) >= kernel;
  if (!is_fast) return max_pool_plain(x, kernel, stride, padding);
  const int64_t batch = x.size(0), channels = x.size(1), height = x.size(2), width = x.size(3);
  const int64_t out_height = (height - kernel) / stride + 1;
  const int64_t out_width = (width - kernel) / stride + 1;
  const at::Tensor out = at::empty({batch, channels, out_height, out_width}, x.options(),
                                   at::MemoryFormat::ChannelsLast);
  const MaxPoolProblem problem{x.const_data_ptr<float>(),
                               out.mutable_data_ptr<float>(),
                               height,
                               width,
                               channels,
                               out_height,
                               out_width,
                               kernel,
                               stride};
  static const MaxPoolKernel rows = kernel_of(instruction_set());
  const int64_t grain = std::max<int64_t>(kGrain / problem.row(), 1);
  at::parallel_for(0, batch * out_height, grain, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch(static_cast<size_t>(problem.row()));
    rows(problem, begin, end, scratch.data());
  });
  return out;
}

at::Tensor max_pool_plain(const at::Tensor& x, int64_t kernel, int64_t stride, int64_t padding) {
  return at::max_pool2d(x, {kernel, kernel}, {stride, stride}, {padding, padding});
}

}  // namespace tessera::ops
