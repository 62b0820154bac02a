#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace tessera::egnn::se3 {

/// Real spherical harmonics of the directions of d (E, 3), of every degree J = 0 … max_degree.
/// Entry J is (E, 2J+1), orders m = −J … J, orthonormal on the sphere, with the Condon–Shortley
/// phase, in the axes of the authors' code: polar axis −d[1], azimuth from d[2] towards d[0].
/// Hence Y_1 = −sqrt(3/4π)·d/‖d‖. At d = 0 the direction is that of d = (0, 1, 0).
/// No gradient. Cost O(E·max_degree²).
std::vector<at::Tensor> spherical_harmonics(const at::Tensor& d_E3, int64_t max_degree);

}  // namespace tessera::egnn::se3
