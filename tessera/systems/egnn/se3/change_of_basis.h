#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace tessera::egnn::se3 {

/// The matrix D_J(R) with Y_J(R u) = D_J(R) Y_J(u) for all directions u: (2J+1, 2J+1), orthogonal.
/// rotation: (3, 3) float64; by least squares on a fixed set of directions.
at::Tensor wigner_matrix(int64_t J, const at::Tensor& rotation);

/// Q_J^{a,b}, ((2b+1)(2a+1), 2J+1) float64: the matrix of unit norm, first entry beyond 1e-6
/// positive, for which (D_b(R) ⊗ D_a(R)) Q = Q D_J(R) for every rotation R (the Clebsch–Gordan
/// coefficients in the harmonics' basis). |a−b| ≤ J ≤ a+b. Computed once per process; the result is
/// shared: do not write to it.
at::Tensor change_of_basis(int64_t J, int64_t degree_in, int64_t degree_out);

}  // namespace tessera::egnn::se3
