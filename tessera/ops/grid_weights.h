#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string_view>
#include <vector>

namespace tessera::ops {

enum class Interpolation { kNearest, kLinear, kCubic };
/// "nearest", "linear", "cubic"; throws InvalidArgument with the nearest name.
Interpolation interpolation_of(std::string_view name);
const char* name_of(Interpolation interpolation);

/// What stands for the nodes that a cubic axis lacks beyond its ends: the edge node, or the line
/// through the last two.
enum class Boundary { kClamp, kExtrapolate };
Boundary boundary_of(std::string_view name);  ///< "clamp", "extrapolate"
const char* name_of(Boundary boundary);

/// Node j lies at low + j (high − low)/(size − 1), on a periodic axis at low + j (high − low)/size:
/// there the end is the beginning and has no node of its own.
struct GridAxis {
  int64_t size = 1;
  double low = 0, high = 1;
  bool is_periodic = false;

  /// Distance of two neighbouring nodes; the whole domain on an axis of one node.
  double spacing() const;
  double position(int64_t node) const { return low + static_cast<double>(node) * spacing(); }
  /// Place in the domain: 0 at low, 1 at high.
  double share(double g) const { return (g - low) / (high - low); }
};

struct Grid {
  std::vector<GridAxis> axes;
  Interpolation interpolation = Interpolation::kCubic;
  Boundary boundary = Boundary::kClamp;

  int64_t nodes() const;                           ///< K, the product of the sizes
  int64_t active_nodes() const;                    ///< S, neighbours that a sample blends
  int64_t neighbours(const GridAxis& axis) const;  ///< 1, 2 or 4; 1 on an axis of one node
  std::vector<int64_t> sizes() const;
};

/// The nodes that each sample blends. A node may appear more than once: its weights add.
struct NodeWeights {
  at::Tensor index;   ///< (B, S) int64, row-major node numbers
  at::Tensor weight;  ///< (B, S), each row sums to 1; may be negative
};

/// Interpolation weights of coordinates on a grid: the tensor product of the axes' weights.
///   t = clamp(u, 0, 1)(G − 1), periodic (u − ⌊u⌋) G, with u = (g − low)/(high − low);
///   neighbours of the cell ⌊t⌋ weighted by its fraction: 1; 1 − f, f; or Catmull-Rom's four.
/// The place on an axis is found in double, in every dtype of g.
/// g: (B, D) floating. Differentiable in g, any number of times: 0 strictly outside of the domain
/// of an axis, the inside derivative on its ends, none through nearest.
/// Throws InvalidArgument on a g that is not (B, D) or not finite, also as a share u of an axis in
/// double. Cost O(B·S·D).
NodeWeights grid_weights(const at::Tensor& g_BD, const Grid& grid);

/// The same composed of ATen operators: fallback, truth and shape rule.
NodeWeights grid_weights_plain(const at::Tensor& g_BD, const Grid& grid);

/// (B, K): each node's weight, 0 where a sample does not use it. Differentiable.
at::Tensor dense_weights(const NodeWeights& n, int64_t nodes);

}  // namespace tessera::ops
