#include "tessera/systems/masked_product.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

namespace tessera {
namespace {

struct Factors {
  at::Tensor weight = torch::tensor({2.0, -3.0, 5.0}, torch::kDouble).requires_grad_();
  at::Tensor mask = torch::tensor({0.5, 0.25, 0.0}, torch::kDouble).requires_grad_();
  at::Tensor fixed = torch::tensor({1.0, 1.0, 0.0}, torch::kDouble);
  MaskedProduct product{weight, mask, fixed};

  at::Tensor truth() const { return (weight * mask * fixed).detach(); }
};

TEST(MaskedProduct, is_computed_anew_where_a_factor_changed) {
  Factors it;
  const at::Tensor first = it.product.value();
  EXPECT_TRUE(first.is_leaf() && first.requires_grad());
  EXPECT_TRUE(torch::equal(first, it.truth()));
  const torch::NoGradGuard no_grad;
  for (const at::Tensor& factor : {it.weight, it.mask, it.fixed}) {
    factor.add_(1);
    EXPECT_TRUE(torch::equal(it.product.value(), it.truth()));
  }
  EXPECT_TRUE(it.product.value().is_same(first));
  // What a kernel wrote beside ATen is believed until it is said to be stale.
  first.zero_();
  EXPECT_FALSE(torch::equal(it.product.value(), it.truth()));
  it.product.set_current(false);
  EXPECT_TRUE(torch::equal(it.product.value(), it.truth()));
}

TEST(MaskedProduct, follows_its_factors_to_another_dtype) {
  Factors it;
  const at::Tensor leaf = it.product.value();
  for (at::Tensor* factor : {&it.weight, &it.mask, &it.fixed}) {
    factor->set_data(factor->detach().to(torch::kFloat));
  }
  EXPECT_EQ(it.product.value().scalar_type(), torch::kFloat);
  EXPECT_TRUE(it.product.value().is_same(leaf));
  EXPECT_TRUE(torch::equal(it.product.value(), it.truth()));
}

TEST(MaskedProduct, is_read_as_a_composition_until_it_is_taken) {
  Factors it;
  EXPECT_FALSE(it.product.read().is_leaf());
  it.product.take(0.5);
  EXPECT_TRUE(it.product.read().is_same(it.product.value()));
  it.product.read().sum().backward();
  EXPECT_FALSE(it.weight.grad().defined());
  it.product.pass_on();
  EXPECT_TRUE(torch::equal(it.weight.grad(), (it.mask * it.fixed).detach()));
  EXPECT_TRUE(torch::equal(it.mask.grad(),
                           (it.weight * it.fixed).detach() + 0.5 * it.mask.detach().sign()));
  EXPECT_FALSE(it.product.gradient().defined());
}

TEST(MaskedProduct, of_frozen_factors_needs_no_gradient) {
  Factors it;
  it.mask.requires_grad_(false);
  EXPECT_TRUE(it.product.value().requires_grad());
  EXPECT_TRUE(torch::equal(it.product.constant(), it.mask * it.fixed));
  it.mask.mul_(2);
  EXPECT_TRUE(torch::equal(it.product.constant(), it.mask * it.fixed));
  MaskedProduct edges({}, it.mask, it.fixed);
  EXPECT_FALSE(edges.value().requires_grad());
  it.mask.requires_grad_();
  EXPECT_TRUE(edges.value().requires_grad());
  EXPECT_TRUE(edges.constant().is_same(it.fixed));
}

}  // namespace
}  // namespace tessera
