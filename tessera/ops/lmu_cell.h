#pragma once

#include <ATen/core/Tensor.h>

#include <string>

namespace tessera::ops {

/// What x contributes to each step, time first, and the state before the first.
struct LmuCellInput {
  at::Tensor u;     ///< (T, B) e_x x
  at::Tensor h;     ///< (T, B, H) W_x x + b
  at::Tensor gate;  ///< (T, B, N) W_fx x + b_f; undefined: no gate
  at::Tensor h0;    ///< (B, H)
  at::Tensor m0;    ///< (B, N)
};

/// As the authors store them, [out, in].
struct LmuCellWeights {
  at::Tensor e_h, e_m;  ///< [1, H], [1, N]
  at::Tensor W_h, W_m;  ///< [H, H], [H, N]
  at::Tensor A, B;      ///< [N, N], [N, 1]
  at::Tensor W_fh;      ///< [N, H]; undefined without gate
};

/// "linear", "relu", "tanh", "sigmoid", "gelu". The fused kernel runs hidden tanh without gate and
/// with a linear encoder, which is the published cell; everything else runs plain.
struct LmuCellOptions {
  std::string hidden = "tanh", encoder = "linear", gate = "linear";
};

struct LmuCellResult {
  at::Tensor h;    ///< (T, B, H) every step
  at::Tensor m_n;  ///< (B, N) after the last
};

/// The Legendre memory cell of 2019 over a whole sequence, forward and backward fused:
///   u_t = a(e_x x_t + e_h h_{t−1} + e_m m_{t−1})
///   m_t = Ā m_{t−1} + g(W_fx x_t + W_fh h_{t−1} + b_f) ⊙ (B̄ u_t)     g(…) = 1 without gate
///   h_t = f(W_x x_t + W_h h_{t−1} + W_m m_t + b)
/// Float and double on the CPU are fused. Differentiable in everything, twice (the second
/// derivative runs plain). Throws InvalidArgument on shape, dtype or device mismatch. Cost
/// 2·T·B·(H² + 2HN + N²) with T dependent steps; with gradients m of every step is kept.
LmuCellResult lmu_cell(const LmuCellInput& input, const LmuCellWeights& weights,
                       const LmuCellOptions& options);

/// The same composed of ATen operators: fallback, truth and shape rule.
LmuCellResult lmu_cell_plain(const LmuCellInput& input, const LmuCellWeights& weights,
                             const LmuCellOptions& options);

/// act(z) by name. Throws InvalidArgument with the nearest name.
at::Tensor activated(const std::string& name, const at::Tensor& z);

}  // namespace tessera::ops
