#pragma once

namespace tessera::bench {

/// What this machine can do at the present thread count, measured now: the ceilings that a share in
/// the table refers to.
struct Limits {
  double gemm_gflops = 0;  ///< float32 matrix product, 1024³, best of several, MKL or oneDNN
  double stream_gbs = 0;  ///< a ← b + s·c over arrays beyond every cache, 3 transfers an element
};

Limits measure_limits();

}  // namespace tessera::bench
