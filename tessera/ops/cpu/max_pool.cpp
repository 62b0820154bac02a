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

template <class T>
MaxPoolKernel<T> kernel_of(InstructionSet set) {
  switch (set) {
    case InstructionSet::kAvx512:
      return AVX512::max_pool_rows<T>;
    case InstructionSet::kAvx2:
      return AVX2::max_pool_rows<T>;
    default:
      return DEFAULT::max_pool_rows<T>;
  }
}

template <class T>
at::Tensor pooled(const at::Tensor& x, int64_t kernel, int64_t stride) {
  const int64_t batch = x.size(0), channels = x.size(1), height = x.size(2), width = x.size(3);
  const int64_t out_height = (height - kernel) / stride + 1;
  const int64_t out_width = (width - kernel) / stride + 1;
  const at::Tensor out = at::empty({batch, channels, out_height, out_width}, x.options(),
                                   at::MemoryFormat::ChannelsLast);
  const MaxPoolProblem<T> problem{x.const_data_ptr<T>(),
                                  out.mutable_data_ptr<T>(),
                                  height,
                                  width,
                                  channels,
                                  out_height,
                                  out_width,
                                  kernel,
                                  stride};
  static const MaxPoolKernel<T> rows = kernel_of<T>(instruction_set());
  const int64_t grain = std::max<int64_t>(kGrain / problem.row(), 1);
  at::parallel_for(0, batch * out_height, grain, [&](int64_t begin, int64_t end) {
    std::vector<T> scratch(static_cast<size_t>(problem.row()));
    rows(problem, begin, end, scratch.data());
  });
  return out;
}

}  // namespace

at::Tensor max_pool(const at::Tensor& x, int64_t kernel, int64_t stride, int64_t padding) {
  const bool is_fast = x.is_cpu() && x.dim() == 4 &&
                       x.is_contiguous(at::MemoryFormat::ChannelsLast) && padding == 0 &&
                       kernel > 0 && stride > 0 && x.numel() > 0 && x.size(2) >= kernel &&
                       x.size(3) >= kernel;
  if (is_fast && x.scalar_type() == at::kFloat) return pooled<float>(x, kernel, stride);
  if (is_fast && x.scalar_type() == at::kByte) return pooled<uint8_t>(x, kernel, stride);
  return max_pool_plain(x, kernel, stride, padding);
}

at::Tensor max_pool_plain(const at::Tensor& x, int64_t kernel, int64_t stride, int64_t padding) {
  // ATen pools no bytes; float holds all of them.
  const bool is_byte = x.scalar_type() == at::kByte;
  const at::Tensor out = at::max_pool2d(is_byte ? x.to(at::kFloat) : x, {kernel, kernel},
                                        {stride, stride}, {padding, padding});
  return is_byte ? out.to(at::kByte) : out;
}

}  // namespace tessera::ops
