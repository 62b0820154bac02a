#include "tessera/nn/grid_linear.h"

#include <fmt/format.h>
#include <torch/types.h>

#include <cmath>

#include "tessera/core/error.h"

namespace tessera::nn {

GridLinear::GridLinear(int64_t in, int64_t out, ops::Grid grid, bool has_bias, bool is_shared)
    : grid_(std::move(grid)) {
  std::vector<int64_t> sizes = grid_.sizes();
  sizes.push_back(out);
  if (has_bias) bias = register_parameter("bias", torch::zeros(sizes));
  sizes.push_back(in);
  const double bound = std::sqrt(6.0 / static_cast<double>(in + out));
  const at::Tensor drawn = is_shared ? torch::empty({out, in}).uniform_(-bound, bound).expand(sizes)
                                     : torch::empty(sizes).uniform_(-bound, bound);
  weight = register_parameter("weight", drawn.contiguous());
}

at::Tensor GridLinear::forward(const at::Tensor& x, const at::Tensor& g) {
  if (x.dim() == 2) return forward(x, ops::grid_weights(g, grid_));
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() = weight.size(-2);
  return forward(x.reshape({-1, x.size(-1)}), ops::grid_weights(g.reshape({-1, g.size(-1)}), grid_))
      .view(sizes);
}

at::Tensor GridLinear::forward(const at::Tensor& x, const ops::NodeWeights& n) {
  const int64_t nodes = grid_.nodes(), out = weight.size(-2), in = weight.size(-1);
  return ops::grid_linear(x, weight.view({nodes, out, in}),
                          bias.defined() ? bias.view({nodes, out}) : bias, n);
}

ops::Grid refine_grid(const ops::Grid& grid, int64_t axis) {
  const auto axes = static_cast<int64_t>(grid.axes.size());
  if (axis < 0 || axis >= axes || grid.axes[static_cast<size_t>(axis)].size < 2) {
    fail<InvalidArgument>({.where = "refine",
                           .rule = fmt::format("axis must be below {} and have 2 nodes", axes),
                           .got = std::to_string(axis),
                           .id = "T-GRID-20"});
  }
  ops::Grid finer = grid;
  ops::GridAxis& refined = finer.axes[static_cast<size_t>(axis)];
  refined.size = refined.is_periodic ? 2 * refined.size : 2 * refined.size - 1;
  return finer;
}

at::Tensor refine_nodes(const at::Tensor& nodes, const ops::Grid& grid, int64_t axis) {
  const ops::Grid finer = refine_grid(grid, axis);
  const ops::GridAxis& to = finer.axes[static_cast<size_t>(axis)];
  ops::Grid line{.interpolation = grid.interpolation, .boundary = grid.boundary};
  line.axes = {grid.axes[static_cast<size_t>(axis)]};
  // Node positions in double: their fractions are 0 and ½ exactly enough.
  std::vector<double> at_nodes;
  for (int64_t j = 0; j < to.size; ++j) at_nodes.push_back(to.position(j));
  const at::Tensor g = torch::tensor(at_nodes, at::kDouble).unsqueeze(1);
  at::Tensor n = ops::dense_weights(ops::grid_weights(g, line), line.axes[0].size);
  // Whole and half cells: rounding takes what the arithmetic of positions added away.
  n = (n * 16).round() / 16;
  return at::matmul(n.to(nodes.options()), nodes.movedim(axis, 0).flatten(1))
      .view([&] {
        std::vector<int64_t> sizes = nodes.movedim(axis, 0).sizes().vec();
        sizes[0] = to.size;
        return sizes;
      }())
      .movedim(0, axis)
      .contiguous();
}

GridCoverage coverage(const at::Tensor& g, const ops::Grid& grid) {
  const ops::NodeWeights n = ops::grid_weights(g, grid);
  const at::Tensor used = ops::dense_weights(n, grid.nodes()) != 0;
  GridCoverage result{.samples = used.sum(0).view(grid.sizes())};
  result.unused = (result.samples == 0).sum().item<int64_t>();
  std::vector<int64_t> outside;
  for (size_t k = 0; k < grid.axes.size(); ++k) {
    const ops::GridAxis& axis = grid.axes[k];
    const at::Tensor column = g.select(1, static_cast<int64_t>(k));
    outside.push_back(
        axis.is_periodic ? 0 : ((column < axis.low) | (column > axis.high)).sum().item<int64_t>());
  }
  result.outside = torch::tensor(outside, at::kLong);
  return result;
}

}  // namespace tessera::nn
