#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "tessera/ops/grid_weights.h"

namespace tessera::ops {

/// Nodes of one axis around a coordinate.
template <class T>
struct AxisPlace {
  int64_t count = 1;
  int64_t index[4] = {0, 0, 0, 0};
  T weight[4] = {1, 0, 0, 0};
};

/// One coordinate on one axis, finite in double as a share of the domain; the arithmetic of
/// grid_weights_plain.
template <class T>
AxisPlace<T> place_on_axis(const Grid& grid, const GridAxis& axis, T g) {
  AxisPlace<T> place;
  if (axis.size == 1) return place;
  const double u = axis.share(static_cast<double>(g));
  const double t = axis.is_periodic ? (u - std::floor(u)) * static_cast<double>(axis.size)
                                    : std::clamp(u, 0.0, 1.0) * static_cast<double>(axis.size - 1);
  const auto wrapped = [&](int64_t index) {
    if (!axis.is_periodic) return std::clamp<int64_t>(index, 0, axis.size - 1);
    const int64_t rest = index % axis.size;
    return rest < 0 ? rest + axis.size : rest;
  };
  if (grid.interpolation == Interpolation::kNearest) {
    place.index[0] = wrapped(static_cast<int64_t>(std::floor(t + 0.5)));
    return place;
  }
  const int64_t last = axis.is_periodic ? axis.size - 1 : axis.size - 2;
  const int64_t cell = std::min(static_cast<int64_t>(std::floor(t)), last);
  const T f = static_cast<T>(t - static_cast<double>(cell));
  if (grid.interpolation == Interpolation::kLinear) {
    return {2, {wrapped(cell), wrapped(cell + 1), 0, 0}, {1 - f, f, 0, 0}};
  }
  const T f2 = f * f, f3 = f2 * f;
  place = {4,
           {wrapped(cell - 1), wrapped(cell), wrapped(cell + 1), wrapped(cell + 2)},
           {T(-0.5) * f + f2 - T(0.5) * f3, 1 - T(2.5) * f2 + T(1.5) * f3,
            T(0.5) * f + 2 * f2 - T(1.5) * f3, T(-0.5) * f2 + T(0.5) * f3}};
  if (axis.is_periodic || grid.boundary != Boundary::kExtrapolate) return place;
  T* const w = place.weight;
  const T low = cell == 0 ? w[0] : T(0), high = cell == axis.size - 2 ? w[3] : T(0);
  w[0] += low;
  w[2] -= low;
  w[3] += high;
  w[1] -= high;
  return place;
}

/// The nodes and weights of one sample: index and weight hold grid.active_nodes() values.
template <class T>
void place_on_grid(const Grid& grid, const T* g, int64_t* index, T* weight) {
  int64_t count = 1;
  index[0] = 0;
  weight[0] = 1;
  for (size_t k = 0; k < grid.axes.size(); ++k) {
    const GridAxis& axis = grid.axes[k];
    const AxisPlace<T> own = place_on_axis(grid, axis, g[k]);
    // Backwards, so that each entry is read before its own places are written.
    for (int64_t i = count; i-- > 0;) {
      const int64_t node = index[i] * axis.size;
      const T w = weight[i];
      for (int64_t s = own.count; s-- > 0;) {
        index[i * own.count + s] = node + own.index[s];
        weight[i * own.count + s] = w * own.weight[s];
      }
    }
    count *= own.count;
  }
}

}  // namespace tessera::ops
