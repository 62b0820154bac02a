#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "tessera/systems/egnn/se3/pair_graph.h"

namespace tessera::egnn::se3 {

/// Q_J^{a,b} by {J, a, b}.
using ChangeOfBasisTable = std::map<std::array<int64_t, 3>, at::Tensor>;

/// What all layers of a network share in one forward.
struct Geometry {
  PairGraph graph;
  at::Tensor distance_U1;             ///< per pair, differentiable
  std::vector<at::Tensor> harmonics;  ///< [J]: (E, 2J+1)
  /// [a][b]: K_{a,b}(e), (E, (2b+1)·F, 2a+1): rows p·F + f with F = 2·min(a,b)+1 and f the J-th of
  /// |a−b| … a+b; the entry at column q is (Q_J Y_J(d_e))[p, q]. No gradient.
  std::vector<std::vector<at::Tensor>> kernels;
};

/// Geometry of positions x (N, 3) for features of degrees 0 … max_degree.
Geometry make_geometry(const at::Tensor& x_N3, int64_t num_particles, int64_t max_degree,
                       const ChangeOfBasisTable& change_of_basis);

}  // namespace tessera::egnn::se3
