#pragma once

#include <ATen/core/Tensor.h>

namespace tessera::ops {

/// The Legendre memory after the last of T steps (Parallel LMU, 2021, eq. 25), M systems at once:
///   m[b,d] = Σ_s g_{T−1−s} u[b,s,d]
/// u: (B, T, M). impulse: (L, N), row j = g_j = Ā^j B̄; rows past T are not read, and where L < T
/// the response is zero from L on. One dtype and device.   returns (B, M, N) One matrix product of
/// (B·M, T) and (T, N) forward and one backward; nothing of T×N a sample is stored. Differentiable
/// in both, any number of times. Throws InvalidArgument on shape, dtype or device mismatch.  Cost
/// 2·B·M·T·N.
at::Tensor lmu_final_state(const at::Tensor& u, const at::Tensor& impulse);

/// The same composed of ATen operators: fallback, truth and shape rule.
at::Tensor lmu_final_state_plain(const at::Tensor& u, const at::Tensor& impulse);

}  // namespace tessera::ops
