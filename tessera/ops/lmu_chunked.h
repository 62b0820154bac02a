#pragma once

#include <ATen/core/Tensor.h>

namespace tessera::ops {

/// The Legendre memory at every step (Parallel LMU, 2021, eq. 24), by chunks of C steps: inside a
/// chunk by one product with the impulse response, across borders by Ā's powers; only the T/C
/// states at the borders are sequential.
///   m_{pC+i} = Σ_{j ≤ i} g_j u_{pC+i−j} + Ā^{i+1} m_{pC−1}
/// u: (R, T). m0: (R, N) the state before the first step, undefined for zero. impulse: (L, N), row
/// j = g_j = Ā^j B̄, L ≥ min(C, T). A_t: (N, N) Āᵀ. chunk ≥ 1. One dtype and device.
/// returns (R, T, N). Differentiable in all tensors; of u and m0 by products of its own, of the
/// system (and twice) through the plain twin. Throws InvalidArgument on shape, dtype or device
/// mismatch. Cost 2·R·T·N·(C + N); for small orders, long sequences and streams.
at::Tensor lmu_chunked(const at::Tensor& u, const at::Tensor& m0, const at::Tensor& impulse,
                       const at::Tensor& A_t, int64_t chunk);

/// The same composed of ATen operators: fallback, truth and shape rule.
at::Tensor lmu_chunked_plain(const at::Tensor& u, const at::Tensor& m0, const at::Tensor& impulse,
                             const at::Tensor& A_t, int64_t chunk);

}  // namespace tessera::ops
