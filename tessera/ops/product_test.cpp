#include "tessera/ops/product.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tessera/core/error.h"

namespace tessera::ops {
namespace {

at::Tensor random(at::IntArrayRef sizes, at::ScalarType dtype = at::kFloat) {
  return at::randn(sizes, at::TensorOptions(dtype));
}

double largest(const at::Tensor& tensor) { return tensor.abs().max().item<double>(); }

/// Error of a float result against the product in double, over the plain product's own.
void expect_as_accurate(const at::Tensor& ours, const at::Tensor& plain, const at::Tensor& truth) {
  EXPECT_LE(largest(ours - truth), 2 * largest(plain - truth) + 1e-6 * largest(truth));
}

TEST(Product, every_layout_is_the_product) {
  const int64_t m = 96, k = 130, n = 75;  // above the least size, no multiple of a vector
  for (const bool a_turned : {false, true}) {
    for (const bool b_turned : {false, true}) {
      const at::Tensor a = a_turned ? random({k, m}).t() : random({m, k});
      const at::Tensor b = b_turned ? random({n, k}).t() : random({k, n});
      expect_as_accurate(product(a, b), at::mm(a, b), at::mm(a.to(at::kDouble), b.to(at::kDouble)));
    }
  }
}

TEST(Product, small_products_and_doubles_are_those_of_aten) {
  const at::Tensor a = random({3, 5}), b = random({5, 2});
  EXPECT_TRUE(product(a, b).equal(at::mm(a, b)));
  const at::Tensor c = random({90, 120}, at::kDouble), d = random({120, 70}, at::kDouble);
  EXPECT_TRUE(product(c, d).equal(at::mm(c, d)));
}

TEST(Affine, gradients_are_those_of_aten) {
  const at::Tensor x = random({4, 33, 150}), w = random({64, 150}), b = random({64});
  const at::Tensor seed = random({4, 33, 64});
  const auto gradients = [&](const auto& function) {
    std::vector<at::Tensor> leaves;
    for (const at::Tensor& t : {x, w, b}) leaves.push_back(t.clone().requires_grad_());
    return torch::autograd::grad({function(leaves[0], leaves[1], leaves[2])}, leaves, {seed});
  };
  const auto ours = gradients([](auto& x, auto& w, auto& b) { return affine(x, w, b); });
  const auto plain = gradients([](auto& x, auto& w, auto& b) { return at::linear(x, w, b); });
  for (size_t i = 0; i < ours.size(); ++i) {
    EXPECT_TRUE(at::allclose(ours[i], plain[i], 1e-4, 1e-4)) << i;
  }
}

TEST(Affine, a_second_derivative_is_that_of_aten) {
  const at::Tensor x0 = random({120, 90}), w0 = random({80, 90});
  const auto second = [&](const auto& function) {
    const at::Tensor x = x0.clone().requires_grad_(), w = w0.clone().requires_grad_();
    const at::Tensor y = function(x, w).square().sum();
    const auto d_x = torch::autograd::grad({y}, {x}, {}, /*retain_graph=*/true,
                                           /*create_graph=*/true)[0];
    return torch::autograd::grad({d_x.square().sum()}, {w})[0];
  };
  const at::Tensor ours = second([](auto& x, auto& w) { return affine(x, w); });
  const at::Tensor plain = second([](auto& x, auto& w) { return at::linear(x, w); });
  EXPECT_LE(largest(ours - plain), 1e-4 * largest(plain));
}

TEST(Product, says_which_shapes_do_not_fit) {
  EXPECT_THROW(product(random({3, 4}), random({5, 2})), InvalidArgument);
  EXPECT_THROW(product(random({3, 4}), random({4, 2}, at::kDouble)), InvalidArgument);
  EXPECT_THROW(affine(random({3, 4}), random({2, 4}), random({3})), InvalidArgument);
  try {
    affine(random({3, 4}), random({2, 5}));
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("(3, 4)"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace tessera::ops
