#include "tessera/ops/perceptron.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tessera/core/error.h"

namespace tessera::ops {
namespace {

struct Case {
  int64_t rows;
  std::vector<int64_t> widths;
  int64_t d, out;
  Activation activation = Activation::kSilu;
  bool residual = false, has_bias = true;
};

struct Arguments {
  PerceptronInput input;
  PerceptronWeights weights;
  std::vector<at::Tensor> leaves;
};

Arguments draw(const Case& c, at::ScalarType dtype = at::kDouble) {
  auto generator = at::detail::createCPUGenerator(3);
  Arguments a;
  const auto randn = [&](at::IntArrayRef sizes) {
    const at::Tensor value = torch::randn(sizes, generator, at::kDouble);
    a.leaves.push_back((value / std::sqrt(double(sizes.back()))).to(dtype).requires_grad_());
    return a.leaves.back();
  };
  int64_t columns = 0;
  at::Tensor* places[] = {&a.input.x, &a.input.y, &a.input.z};
  for (size_t s = 0; s < c.widths.size(); ++s) {
    *places[s] = randn({c.rows, c.widths[s]});
    columns += c.widths[s];
  }
  a.weights = {randn({c.d, columns}), randn({c.d}), randn({c.out, c.d}), {}};
  if (c.has_bias) a.weights.b2 = randn({c.out});
  return a;
}

std::vector<at::Tensor> run(decltype(&perceptron) pass, const Case& c, const Arguments& a) {
  const at::Tensor out = pass(a.input, a.weights, c.activation, c.residual);
  const at::Tensor cotangent =
      torch::randn(out.sizes(), at::detail::createCPUGenerator(5), at::kDouble)
          .to(out.scalar_type());
  std::vector<at::Tensor> results = {out.detach()};
  for (const at::Tensor& g : torch::autograd::grad({(out * cotangent).sum()}, a.leaves)) {
    results.push_back(g);
  }
  return results;
}

TEST(Perceptron, equals_the_plain_twin) {
  const std::vector<Case> cases = {
      {50, {3}, 5, 1},
      {7, {16, 4}, 17, 16, Activation::kRelu, true},
      {100, {8, 9, 1}, 64, 8, Activation::kLeakyRelu, true, false},
      {0, {3}, 4, 2},
      {1, {64, 64}, 64, 64, Activation::kSilu, true},
      {200, {130}, 130, 130, Activation::kSilu, true},
      {49, {2, 2, 2}, 1, 1, Activation::kSilu, false, false},
      {48, {16}, 16, 33},
  };
  for (const Case& c : cases) {
    const Arguments a = draw(c);
    const auto ours = run(perceptron, c, a), plain = run(perceptron_plain, c, a);
    for (size_t i = 0; i < ours.size(); ++i) {
      EXPECT_TRUE(at::allclose(ours[i], plain[i], 1e-12, 1e-12))
          << "result " << i << " of d " << c.d << " out " << c.out;
    }
  }
}

// Error against double at most 2 × that of the plain float composition, 3 × for gradients.
TEST(Perceptron, float_error_is_within_the_rule) {
  const Case c{500, {64, 64}, 64, 64, Activation::kSilu, true};
  const auto truth = run(perceptron_plain, c, draw(c));
  const Arguments a = draw(c, at::kFloat);
  const auto ours = run(perceptron, c, a), plain = run(perceptron_plain, c, a);
  for (size_t i = 0; i < ours.size(); ++i) {
    const auto rms = [&](const at::Tensor& t) {
      return (t.to(at::kDouble) - truth[i]).square().mean().sqrt().item<double>();
    };
    const double least = 1e-8 * truth[i].square().mean().sqrt().item<double>();
    EXPECT_LT(rms(ours[i]) / (rms(plain[i]) + least), i == 0 ? 2 : 3) << "result " << i;
  }
}

TEST(Perceptron, refuses_arguments_that_do_not_fit) {
  const Arguments a = draw({4, {3}, 5, 2});
  EXPECT_THROW(perceptron(a.input, a.weights, Activation::kSilu, /*residual=*/true),
               InvalidArgument);
  EXPECT_THROW(perceptron({a.input.x, a.input.x}, a.weights, Activation::kSilu), InvalidArgument);
  EXPECT_THROW(perceptron({a.input.x, {}, a.input.x}, a.weights, Activation::kSilu),
               InvalidArgument);
  EXPECT_THROW(perceptron({a.input.x.to(at::kFloat)}, a.weights, Activation::kSilu),
               InvalidArgument);
}

}  // namespace
}  // namespace tessera::ops
