#include "tessera/ops/grid_linear.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tessera/core/error.h"

namespace tessera::ops {
namespace {

struct Case {
  int64_t rows, in, out;
  Grid grid;
  bool has_bias = true;
};

Grid grid_of(std::vector<int64_t> sizes, Interpolation interpolation, bool is_periodic = false,
             Boundary boundary = Boundary::kClamp) {
  Grid grid{.interpolation = interpolation, .boundary = boundary};
  for (const int64_t size : sizes) grid.axes.push_back({size, -1, 2, is_periodic});
  return grid;
}

struct Arguments {
  at::Tensor x, weight, bias;
  NodeWeights n;
  std::vector<at::Tensor> leaves;
};

Arguments draw(const Case& c, at::ScalarType dtype = at::kDouble) {
  auto generator = at::detail::createCPUGenerator(3);
  Arguments a;
  const auto leaf = [&](const at::Tensor& value) {
    a.leaves.push_back(value.to(dtype).requires_grad_());
    return a.leaves.back();
  };
  a.x = leaf(torch::randn({c.rows, c.in}, generator, at::kDouble));
  a.weight = leaf(torch::randn({c.grid.nodes(), c.out, c.in}, generator, at::kDouble));
  if (c.has_bias) a.bias = leaf(torch::randn({c.grid.nodes(), c.out}, generator, at::kDouble));
  const auto axes = static_cast<int64_t>(c.grid.axes.size());
  const at::Tensor g = torch::rand({c.rows, axes}, generator, at::kDouble) * 4 - 1.5;
  a.n = grid_weights_plain(g, c.grid);
  a.n.weight = leaf(a.n.weight);
  return a;
}

std::vector<at::Tensor> run(decltype(&grid_linear) pass, const Arguments& a) {
  const at::Tensor y = pass(a.x, a.weight, a.bias, a.n);
  const at::Tensor cotangent =
      torch::randn(y.sizes(), at::detail::createCPUGenerator(5), at::kDouble).to(y.scalar_type());
  std::vector<at::Tensor> results = {y.detach()};
  for (const at::Tensor& g : torch::autograd::grad({(y * cotangent).sum()}, a.leaves)) {
    results.push_back(g);
  }
  return results;
}

TEST(GridLinear, equals_the_plain_twin) {
  const std::vector<Case> cases = {
      {1, 7, 5, grid_of({4, 5}, Interpolation::kCubic)},
      {9, 2, 33, grid_of({6, 6}, Interpolation::kCubic)},
      {32, 40, 17, grid_of({4}, Interpolation::kCubic, /*is_periodic=*/true)},
      {5, 16, 1, grid_of({3, 1, 2}, Interpolation::kLinear), false},
      {6, 19, 70, grid_of({30, 30}, Interpolation::kCubic, false, Boundary::kExtrapolate)},
      {4, 64, 64, grid_of({2}, Interpolation::kNearest)},
      {0, 3, 4, grid_of({3}, Interpolation::kCubic)},
      // Node by node: tails of inputs, outputs and samples; nodes that no sample uses.
      {7, 70, 13, grid_of({9, 8}, Interpolation::kCubic)},
      {11, 64, 6, grid_of({4}, Interpolation::kCubic, /*is_periodic=*/true), false},
  };
  for (const Case& c : cases) {
    const Arguments a = draw(c);
    const auto ours = run(grid_linear, a), plain = run(grid_linear_plain, a);
    for (size_t i = 0; i < ours.size(); ++i) {
      EXPECT_TRUE(at::allclose(ours[i], plain[i], 1e-12, 1e-11))
          << "result " << i << " of rows " << c.rows << " in " << c.in << " out " << c.out;
    }
  }
}

// Error against double at most 2 × that of the plain float composition, 3 × for gradients.
TEST(GridLinear, float_error_is_within_the_rule) {
  const Case c{32, 128, 96, grid_of({4, 5}, Interpolation::kCubic)};
  const Arguments exact = draw(c), a = draw(c, at::kFloat);
  const auto truth = run(grid_linear_plain, exact);
  const auto ours = run(grid_linear, a), plain = run(grid_linear_plain, a);
  for (size_t i = 0; i < ours.size(); ++i) {
    const auto rms = [&](const at::Tensor& t) {
      return (t.to(at::kDouble) - truth[i]).square().mean().sqrt().item<double>();
    };
    EXPECT_LT(rms(ours[i]) / rms(plain[i]), i == 0 ? 2 : 3) << "result " << i;
  }
}

// Layers that blend with the same weights share what is planned for them.
TEST(GridLinear, other_node_weights_of_the_same_shape_are_other_results) {
  const Case c{24, 12, 9, grid_of({5, 4}, Interpolation::kCubic)};
  Arguments a = draw(c);
  const auto expect_plain = [&](const char* what) {
    const auto ours = run(grid_linear, a), plain = run(grid_linear_plain, a);
    for (size_t i = 0; i < ours.size(); ++i) {
      EXPECT_TRUE(at::allclose(ours[i], plain[i], 1e-12, 1e-11)) << what << ", result " << i;
    }
  };
  expect_plain("drawn");
  // Behind autograd's back: no version of a tensor tells of these.
  a.n.weight.mutable_data_ptr<double>()[5] += 1;
  expect_plain("a weight");
  int64_t* const index = a.n.index.mutable_data_ptr<int64_t>();
  index[17] = (index[17] + 1) % c.grid.nodes();
  expect_plain("an index");
  index[17] = c.grid.nodes();
  for (int again = 0; again < 2; ++again) {
    EXPECT_THROW(grid_linear(a.x, a.weight, a.bias, a.n), InvalidArgument);
  }
  index[17] = 0;
  expect_plain("after a refusal");
}

TEST(GridLinear, refuses_an_index_beyond_the_nodes) {
  Arguments a = draw({4, 3, 2, grid_of({3}, Interpolation::kLinear)});
  a.n.index = a.n.index + 2;
  EXPECT_THROW(grid_linear(a.x, a.weight, a.bias, a.n), InvalidArgument);
  EXPECT_THROW(grid_linear(a.x.narrow(1, 0, 2), a.weight, a.bias, a.n), InvalidArgument);
  EXPECT_THROW(grid_linear(a.x.to(at::kFloat), a.weight, a.bias, a.n), InvalidArgument);
}

TEST(GridWeights, kernel_equals_the_plain_twin_and_sums_to_one) {
  for (const auto kind : {Interpolation::kNearest, Interpolation::kLinear, Interpolation::kCubic}) {
    for (const bool is_periodic : {false, true}) {
      for (const Boundary boundary : {Boundary::kClamp, Boundary::kExtrapolate}) {
        const Grid grid = grid_of({1, 2, 5}, kind, is_periodic, boundary);
        at::Tensor g =
            torch::rand({200, 3}, at::detail::createCPUGenerator(1), at::kDouble) * 6 - 3;
        g[0].fill_(-1);
        g[1].fill_(2);
        g[2].fill_(-1 - 1e-18);
        const at::Tensor ours = dense_weights(grid_weights(g, grid), grid.nodes());
        const at::Tensor plain = dense_weights(grid_weights_plain(g, grid), grid.nodes());
        EXPECT_LT((ours - plain).abs().max().item<double>(), 1e-13);
        EXPECT_LT((ours.sum(1) - 1).abs().max().item<double>(), 1e-12);
      }
    }
  }
}

TEST(GridWeights, of_float_coordinates_are_placed_in_double) {
  const Grid grid{.axes = {{5, 0, 0.7, true}, {4, -1, 1, false}}};
  const float most = std::numeric_limits<float>::max();
  const at::Tensor g =
      torch::tensor({1.0e5f, 0.5f, -2.0e6f, -0.25f, most, most, -most, -most}).view({4, 2});
  const at::Tensor exact = dense_weights(grid_weights(g.to(at::kDouble), grid), grid.nodes());
  for (const auto& pass : {grid_weights, grid_weights_plain}) {
    const at::Tensor ours = dense_weights(pass(g, grid), grid.nodes());
    EXPECT_LT((ours.to(at::kDouble) - exact).abs().max().item<double>(), 1e-6);
  }
}

TEST(GridWeights, refuses_coordinates_that_do_not_fit) {
  const Grid grid = grid_of({3, 3}, Interpolation::kCubic);
  at::Tensor g = torch::zeros({2, 2});
  EXPECT_THROW(grid_weights(g.narrow(1, 0, 1), grid), InvalidArgument);
  g[1][1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(grid_weights(g, grid), InvalidArgument);
  EXPECT_THROW(grid_weights(g.requires_grad_(), grid), InvalidArgument);
  const Grid tiny{.axes = {{3, 0, 1e-300, true}}};
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16}) {
    EXPECT_NO_THROW(grid_weights(torch::zeros({1, 1}, dtype), tiny));
    EXPECT_THROW(grid_weights(torch::full({1, 1}, 1e30, dtype), tiny), InvalidArgument);
  }
}

}  // namespace
}  // namespace tessera::ops
