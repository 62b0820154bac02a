#include "bench/limits.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <chrono>
#include <limits>

#include "tessera/ops/product.h"

namespace tessera::bench {
namespace {

template <class F>
double best_seconds(int repeats, const F& body) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count());
  }
  return best;
}

}  // namespace

Limits measure_limits() {
  constexpr int64_t kSide = 1024;
  const at::Tensor a = at::rand({kSide, kSide}), b = at::rand({kSide, kSide});
  at::Tensor c = at::empty({kSide, kSide});
  const double mkl = best_seconds(12, [&] { at::mm_out(c, a, b); });
  // The better of the two libraries: MKL stays at AVX2 on processors that are not Intel's.
  const double gemm = std::min(mkl, best_seconds(12, [&] { c = ops::product(a, b); }));

  // 3 × 64 MiB: beyond the last-level cache of every machine that this runs on.
  constexpr int64_t kElements = 16 << 20;
  at::Tensor x = at::empty({kElements}), y = at::ones({kElements}), z = at::ones({kElements});
  float* out = x.data_ptr<float>();
  const float *p = y.const_data_ptr<float>(), *q = z.const_data_ptr<float>();
  const double stream = best_seconds(6, [&] {
    at::parallel_for(0, kElements, 1 << 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) out[i] = p[i] + 0.5f * q[i];
    });
  });
  return {.gemm_gflops = 2.0 * kSide * kSide * kSide / gemm / 1e9,
          .stream_gbs = 3.0 * kElements * sizeof(float) / stream / 1e9};
}

}  // namespace tessera::bench
