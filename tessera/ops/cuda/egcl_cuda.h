#pragma once

// What the CUDA kernels (egcl.cu) and their caller (egcl_glue.cpp) share: no torch, so that nvcc
// alone can compile the kernels anywhere. Matrix products over whole arrays (P and Q, the weights'
// gradients) are the caller's; the kernels do what happens inside a tile of edges.

#include <cuda_runtime_api.h>

#include <cstdint>

#include "tessera/ops/cpu/egcl_kernel.h"

namespace tessera::ops::cuda {

/// Widest layer whose tiles fit the shared memory of an A100.
inline constexpr int64_t kMaxDim = 160;

/// Besides the problem (device pointers), weights that the tiles multiply by: depth-major.
struct EgclMatrices {
  const float *w2_t, *coord_w1_t;  ///< forward: [d, d], transposed
  const float *w2, *coord_w1;      ///< backward: [d, d] as given
};

/// What the backward leaves for the caller's products. Rows of [E, row] arrays are padded.
struct EgclBackwardArrays {
  const float *d_agg, *d_x_delta;            ///< null: zero
  float *a1, *d_z1, *d_z2;                   ///< [E, row]
  float *m, *d_z3;                           ///< [E, row], where there is a head
  float *d_s, *d_logit;                      ///< [E]
  float* d_diff;                             ///< [E, n]
  float* d_pq;                               ///< [N, 2·row]
  float *d_x, *d_edge_attr, *d_edge_weight;  ///< null: not wanted
};

/// agg and x_delta; writes the pre-activations where `f.saved` has room for them.
cudaError_t egcl_forward(const EgclProblem<float>& p, const EgclMatrices& w,
                         const EgclForward<float>& f, cudaStream_t stream);

/// Fills the arrays of `b` that are not inputs.
cudaError_t egcl_backward(const EgclProblem<float>& p, const EgclMatrices& w,
                          const EgclSaved<float>& saved, const EgclBackwardArrays& b,
                          cudaStream_t stream);

}  // namespace tessera::ops::cuda
