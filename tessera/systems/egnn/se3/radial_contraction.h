#pragma once

#include <ATen/core/Tensor.h>

namespace tessera::egnn::se3 {

/// messages[u] = products[u] · R[u] with R[u] the K × m matrix, row by row, W h[u] + b.
/// products: (U, S, K); hidden: (U, H); weight: (K·m, H); bias: (K·m). returns (U, S, m)
///
/// All of R, (U, K·m), is the largest array of these networks by far. Here it lives only in blocks
/// of pairs that stay in the second-level cache, and is computed again in the backward.
/// Differentiable in all four. Equal bits at an equal number of threads.
at::Tensor radial_contraction(const at::Tensor& products_USK, const at::Tensor& hidden_UH,
                              const at::Tensor& weight, const at::Tensor& bias);

/// The same as two matrix products: the meaning of the above, and what runs on other devices.
at::Tensor radial_contraction_plain(const at::Tensor& products_USK, const at::Tensor& hidden_UH,
                                    const at::Tensor& weight, const at::Tensor& bias);

}  // namespace tessera::egnn::se3
