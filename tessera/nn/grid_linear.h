#pragma once

#include <torch/nn/module.h>

#include "tessera/ops/grid_linear.h"

namespace tessera::nn {

/// A linear layer with one parameterisation for each node of a grid: a drop-in for
/// torch::nn::Linear wherever a coordinate (a phase, a position, a physical quantity) says which
/// function is wanted.
///   y = Σ_j n_j(g) (W[j] x + b[j])
/// Parameters: weight (G1, …, GD, out, in) and, where has_bias, bias (G1, …, GD, out), float32,
/// drawn from the default generator: U(±√(6/(in + out))) for each node, biases 0.
class GridLinear : public torch::nn::Module {
 public:
  /// is_shared: one draw for all nodes, so that the layer does not depend on g at first.
  GridLinear(int64_t in, int64_t out, ops::Grid grid, bool has_bias = true, bool is_shared = false);

  /// x: (…, in); g: (…, D), one coordinate a row of x.   returns (…, out)
  at::Tensor forward(const at::Tensor& x, const at::Tensor& g);
  /// The same with weights that several layers share. x: (B, in).
  at::Tensor forward(const at::Tensor& x, const ops::NodeWeights& n);

  const ops::Grid& grid() const { return grid_; }

  at::Tensor weight, bias;

 private:
  ops::Grid grid_;
};

/// Parameters of a grid with one more node in the middle of each cell of `axis`, where it takes the
/// interpolant's value. nodes: (G1, …, GD, …).   returns (…, 2G − 1 or periodic 2G, …, …)
/// The function of a linear grid is unchanged; that of a cubic one only near to it.
at::Tensor refine_nodes(const at::Tensor& nodes, const ops::Grid& grid, int64_t axis);
/// The grid of those parameters. Throws InvalidArgument on an axis out of range or of one node.
ops::Grid refine_grid(const ops::Grid& grid, int64_t axis);

/// What a batch of coordinates, (B, D), asks of a grid.
struct GridCoverage {
  at::Tensor samples;  ///< (G1, …, GD) int64: samples that blend each node
  int64_t unused = 0;  ///< nodes that no sample blends: they stay as they were drawn
  at::Tensor outside;  ///< (D) int64: samples beyond the ends of an axis, which are clamped
};
GridCoverage coverage(const at::Tensor& g, const ops::Grid& grid);

}  // namespace tessera::nn
