#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>
#include <utility>

#include "tessera/systems/lmu/state_space.h"

namespace tessera::lmu {

/// How the memory is computed: all are the same function of u (paper 2021, section 3.3).
///   recurrent    m_t = Ā m_{t−1} + B̄ u_t, step by step
///   fft          m = g ∗ u by a padded transform
///   convolution  m = g ∗ u directly, T·T·N products
///   chunked      chunks by convolution, only the states at their borders in sequence
///   final_state  m_{T−1} alone, one matrix product
enum class Mode { kAuto, kRecurrent, kFft, kConvolution, kChunked, kFinalState };
Mode mode_of(std::string_view name);

/// The discrete system in the dtype and on the device of the model, with what is derived from it.
struct Kernels {
  at::Tensor A_t;      ///< (N, N) Āᵀ
  at::Tensor B;        ///< (N)
  at::Tensor impulse;  ///< (L, N) g_j = Ā^j B̄; L = T, or shorter where it was cut
};

/// M independent delay systems of N coefficients. Shapes: u (B, T, M), m (B, M, N).
class DelayMemory {
 public:
  DelayMemory(int64_t order, double theta, Discretizer discretizer,
              std::optional<double> truncate_ir);

  int64_t order() const { return order_; }
  const StateSpace& system() const { return discrete_; }

  /// Constants for sequences of `length`, kept and extended as longer ones come. The impulse
  /// response is made in double and rounded once.
  const Kernels& kernels(int64_t length, const at::TensorOptions& options);
  /// The same as functions of τ = 1/θ (a parameter of shape (1)), for a trainable θ.
  Kernels kernels(int64_t length, const at::Tensor& theta_inv, const at::TensorOptions& options,
                  bool with_impulse) const;

 private:
  int64_t order_;
  Discretizer discretizer_;
  std::optional<double> truncate_ir_;
  StateSpace continuous_, discrete_;
  at::Tensor impulse_;  // double, the longest so far
  std::optional<std::pair<int64_t, Kernels>> cached_;
};

/// One step of time: m Āᵀ + u B̄ᵀ of u (B, M).
at::Tensor memory_step(const at::Tensor& u, const at::Tensor& m, const Kernels& kernels);

/// Ā^{t+1} m0 for t = 0 … T−1, (B, T, M, N): what is left of the state before the first step.
at::Tensor decay(const at::Tensor& m0, const at::Tensor& A_t, int64_t length);

/// m at every step, (B, T, M, N), started from m0 where it is defined (zero otherwise).
at::Tensor memory_states(const at::Tensor& u, const at::Tensor& m0, const Kernels& kernels,
                         Mode mode);

/// m after the last step, (B, M, N).
at::Tensor final_memory(const at::Tensor& u, const at::Tensor& m0, const Kernels& kernels,
                        Mode mode);

}  // namespace tessera::lmu
