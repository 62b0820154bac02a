#include <ATen/ATen.h>

#include "tessera/ops/grid_weights.h"

namespace tessera::ops {
namespace {

/// Cell and fraction of each coordinate.
struct Place {
  at::Tensor cell;      ///< (B) int64
  at::Tensor fraction;  ///< (B) of g's dtype
  at::Tensor position;  ///< (B) t in double, in node spacings from node 0
};

Place place_of(const at::Tensor& g, const GridAxis& axis) {
  const at::Tensor u = (g.to(at::kDouble) - axis.low) / (axis.high - axis.low);
  // clamp keeps the gradient on the ends of the domain; floor has none anywhere.
  const at::Tensor t =
      axis.is_periodic ? (u - u.detach().floor()) * axis.size : u.clamp(0, 1) * (axis.size - 1);
  // The upper end is the last cell's fraction 1; u − ⌊u⌋ of a tiny negative u rounds to 1 as well.
  const int64_t last = axis.is_periodic ? axis.size - 1 : axis.size - 2;
  const at::Tensor cell = t.detach().floor().clamp_max(last);
  return {cell.to(at::kLong), (t - cell).to(g.scalar_type()), t};
}

NodeWeights axis_weights(const at::Tensor& g, const GridAxis& axis, const Grid& grid) {
  if (axis.size == 1) {
    return {at::zeros({g.size(0), 1}, g.options().dtype(at::kLong)),
            at::ones({g.size(0), 1}, g.options())};
  }
  const auto [cell, f, t] = place_of(g, axis);
  const auto wrapped = [&](const at::Tensor& index) {
    return axis.is_periodic ? index.remainder(axis.size) : index.clamp(0, axis.size - 1);
  };
  switch (grid.interpolation) {
    case Interpolation::kNearest: {
      const at::Tensor node = (t.detach() + 0.5).floor().to(at::kLong);
      return {wrapped(node).unsqueeze(1), at::ones({g.size(0), 1}, g.options())};
    }
    case Interpolation::kLinear:
      return {wrapped(at::stack({cell, cell + 1}, 1)), at::stack({1 - f, f}, 1)};
    case Interpolation::kCubic:
      break;
  }
  const at::Tensor f2 = f * f, f3 = f2 * f;
  at::Tensor before = -0.5 * f + f2 - 0.5 * f3, left = 1 - 2.5 * f2 + 1.5 * f3,
             right = 0.5 * f + 2 * f2 - 1.5 * f3, after = -0.5 * f2 + 0.5 * f3;
  if (!axis.is_periodic && grid.boundary == Boundary::kExtrapolate) {
    // P[−1] = 2 P[0] − P[1] and P[G] = 2 P[G−1] − P[G−2]: clamping the index gives the first part.
    const at::Tensor low = before * (cell == 0), high = after * (cell == axis.size - 2);
    before = before + low;
    right = right - low;
    after = after + high;
    left = left - high;
  }
  return {wrapped(at::stack({cell - 1, cell, cell + 1, cell + 2}, 1)),
          at::stack({before, left, right, after}, 1)};
}

}  // namespace

NodeWeights grid_weights_plain(const at::Tensor& g_BD, const Grid& grid) {
  NodeWeights n;
  for (size_t k = 0; k < grid.axes.size(); ++k) {
    const GridAxis& axis = grid.axes[k];
    const NodeWeights own = axis_weights(g_BD.select(1, static_cast<int64_t>(k)), axis, grid);
    if (k == 0) {
      n = own;
      continue;
    }
    n.index = (n.index.unsqueeze(2) * axis.size + own.index.unsqueeze(1)).flatten(1);
    n.weight = (n.weight.unsqueeze(2) * own.weight.unsqueeze(1)).flatten(1);
  }
  return n;
}

at::Tensor dense_weights(const NodeWeights& n, int64_t nodes) {
  return at::zeros({n.index.size(0), nodes}, n.weight.options()).scatter_add(1, n.index, n.weight);
}

}  // namespace tessera::ops
