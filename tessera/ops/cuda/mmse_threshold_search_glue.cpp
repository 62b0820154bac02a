#include <ATen/ATen.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include <algorithm>

#include "tessera/ops/cuda/mmse_threshold_search_cuda.h"
#include "tessera/ops/mmse_threshold_search_args.h"

namespace tessera::ops {

namespace {

template <class T>
at::Tensor run(const at::Tensor& a, const at::Tensor& candidates, int64_t steps) {
  const c10::cuda::CUDAGuard guard(a.device());
  const at::Tensor dense = a.contiguous(), c = candidates.contiguous();
  // Enough blocks to fill the device, each with at least a few tiles.
  constexpr int64_t kBlocks = 2048, kLeast = 4096;
  const int64_t elements = a.size(0) * a.size(2);
  const int64_t parts =
      std::clamp<int64_t>(elements / kLeast, 1, std::max<int64_t>(kBlocks / a.size(1), 1));
  const at::Tensor partial =
      at::empty({parts, a.size(1), c.size(0)}, a.options().dtype(at::kDouble));
  const cuda::ThresholdArgs<T> args{.samples = a.size(0),
                                    .channels = a.size(1),
                                    .size = a.size(2),
                                    .candidates = c.size(0),
                                    .steps = steps,
                                    .a = dense.const_data_ptr<T>(),
                                    .c = c.const_data_ptr<T>(),
                                    .parts = parts,
                                    .partial = partial.mutable_data_ptr<double>()};
  C10_CUDA_CHECK(static_cast<cudaError_t>(
      cuda::launch_threshold_scores<T>(args, c10::cuda::getCurrentCUDAStream().stream())));
  return partial.sum(0).t().contiguous();
}

at::Tensor run_any(const at::Tensor& a, const at::Tensor& candidates, int64_t steps) {
  return a.scalar_type() == at::kDouble ? run<double>(a, candidates, steps)
                                        : run<float>(a, candidates, steps);
}

const bool registered = [] {
  threshold_scores_cuda() = run_any;
  return true;
}();

}  // namespace

}  // namespace tessera::ops
