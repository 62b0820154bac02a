#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>

namespace tessera::lmu {

/// A linear time-invariant system m' = A m + B u of `order` states and one input, in double on the
/// CPU whatever the model's dtype: a float exponential is off by 5e-5 at order 468.
struct StateSpace {
  at::Tensor A;  ///< (N, N)
  at::Tensor B;  ///< (N)
};

/// "zoh", "euler"; other words are refused by the configuration.
enum class Discretizer { kZoh, kEuler };
Discretizer discretizer_of(std::string_view name);

/// The Legendre delay system for a window of one unit of time (LMU 2019, eq. 2):
///   A[i,j] = (2i+1) · (−1 if i < j, else (−1)^(i−j+1)),   B[i] = (2i+1)(−1)^i.
StateSpace delay_system(int64_t order);

/// One step of time for a window of 1/theta_inv steps.
///   zoh    exp(τ [[A, B], [0, 0]]) = [[Ā, B̄], [0, 1]]     euler   Ā = I + τA, B̄ = τB
StateSpace discretise(const StateSpace& continuous, double theta_inv, Discretizer discretizer);

/// d(Ā, B̄)/dτ, exactly: zoh (AĀ, AB̄ + B), since the matrix commutes with its exponential; euler
/// (A, B).
StateSpace discretise_derivative(const StateSpace& continuous, const StateSpace& discrete,
                                 Discretizer discretizer);

/// g_j = Ā^j B̄ for j = 0 … length−1: (length, N).
at::Tensor impulse_response(const StateSpace& discrete, int64_t length);

/// Largest magnitude of Ā's eigenvalues: above 1 the memory grows without bound. Taken from those
/// of A, scaled so that it is nearly normal; eigenvalues of Ā itself lose half of the digits at
/// order 468 (README, "Accuracy").
double spectral_radius(const StateSpace& continuous, double theta_inv, Discretizer discretizer);

/// Warns, once for each system, where Ā's largest eigenvalue exceeds 1: Euler's step asks for a
/// window far longer than the order, and the memory would grow without bound.
void warn_if_unstable(int64_t order, double theta, Discretizer discretizer);

/// Rows P_0 … P_{order−1} at 2f − 1 for each fraction f of the window (0 now, 1 oldest): what reads
/// u(t − fθ) out of m, (fractions, order).
at::Tensor legendre_decoder(const at::Tensor& fractions, int64_t order);

}  // namespace tessera::lmu
