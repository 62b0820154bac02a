#include "tessera/ops/causal_convolution.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tessera/core/error.h"

namespace tessera::ops {
namespace {

at::Tensor draw(at::IntArrayRef sizes, uint64_t seed) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::randn(sizes, generator, at::TensorOptions(at::kDouble));
}

double largest(const at::Tensor& tensor) { return tensor.abs().max().item<double>(); }

/// The definition, term by term.
at::Tensor by_sums(const at::Tensor& u, const at::Tensor& kernel) {
  const int64_t length = u.size(1);
  at::Tensor y = at::zeros({u.size(0), length, kernel.size(1)}, u.options());
  for (int64_t j = 0; j < std::min(length, kernel.size(0)); ++j) {
    y.narrow(1, j, length - j) += u.narrow(1, 0, length - j).unsqueeze(2) * kernel[j];
  }
  return y;
}

struct Sizes {
  int64_t signals, length, reach, channels;
};

// Lengths around every power of four and two, odd signals, tails of vectors, kernels that are
// shorter and longer than the signals.
const Sizes kSizes[] = {{1, 1, 1, 1},   {1, 2, 2, 3},    {2, 3, 1, 16},   {3, 4, 9, 17},
                        {4, 5, 5, 33},  {5, 8, 3, 8},    {2, 9, 9, 15},   {7, 16, 16, 2},
                        {3, 33, 20, 5}, {1, 64, 64, 40}, {6, 100, 7, 31}, {35, 12, 12, 3}};

TEST(CausalConvolution, is_its_definition_for_all_sizes) {
  for (const auto& [signals, length, reach, channels] : kSizes) {
    const at::Tensor u = draw({signals, length}, 1), kernel = draw({reach, channels}, 2);
    EXPECT_LT(largest(causal_convolution(u, kernel) - by_sums(u, kernel)), 2e-13)
        << signals << " " << length << " " << reach << " " << channels;
    EXPECT_LT(largest(causal_convolution_plain(u, kernel) - by_sums(u, kernel)), 2e-13);
  }
}

TEST(CausalConvolution, has_the_gradients_of_its_definition) {
  for (const auto& [signals, length, reach, channels] : kSizes) {
    const at::Tensor u = draw({signals, length}, 1).requires_grad_(),
                     kernel = draw({reach, channels}, 2).requires_grad_(),
                     seed = draw({signals, length, channels}, 3);
    const auto d = torch::autograd::grad({causal_convolution(u, kernel)}, {u, kernel}, {seed}),
               truth = torch::autograd::grad({by_sums(u, kernel)}, {u, kernel}, {seed});
    EXPECT_LT(largest(d[0] - truth[0]), 1e-12) << signals << " " << length;
    EXPECT_LT(largest(d[1] - truth[1]), 1e-12) << signals << " " << length;
  }
}

TEST(CausalConvolution, has_second_derivatives) {
  const at::Tensor u = draw({3, 9}, 1).requires_grad_(), kernel = draw({6, 4}, 2).requires_grad_(),
                   seed = draw({3, 9, 4}, 3).requires_grad_();
  const auto second = [&](const auto& form) {
    const auto d = torch::autograd::grad({form(u, kernel)}, {u, kernel}, {seed}, true, true);
    return torch::autograd::grad({(d[0] * d[0]).sum() + (d[1] * d[1]).sum()}, {u, kernel, seed});
  };
  const auto ours = second(causal_convolution), truth = second(by_sums);
  for (size_t i = 0; i < ours.size(); ++i) EXPECT_LT(largest(ours[i] - truth[i]), 1e-10) << i;
}

TEST(CausalConvolution, is_as_accurate_as_its_plain_twin) {
  const at::Tensor u = draw({8, 1024}, 1), kernel = draw({1024, 48}, 2) / 32,
                   seed = draw({8, 1024, 48}, 3);
  const auto results = [&](const auto& form, at::ScalarType dtype) {
    const at::Tensor u_ = u.to(dtype).detach().requires_grad_(),
                     k_ = kernel.to(dtype).detach().requires_grad_(), y = form(u_, k_);
    auto all = torch::autograd::grad({y}, {u_, k_}, {seed.to(dtype)});
    all.push_back(y.detach());
    return all;
  };
  const auto truth = results(by_sums, at::kDouble);
  const auto ours = results(causal_convolution, at::kFloat),
             plain = results(causal_convolution_plain, at::kFloat);
  for (size_t i = 0; i < truth.size(); ++i) {
    const double factor = i == 2 ? 2 : 3;
    EXPECT_LE(largest(ours[i].to(at::kDouble) - truth[i]),
              factor * largest(plain[i].to(at::kDouble) - truth[i]))
        << i;
  }
}

TEST(CausalConvolution, reads_strided_arguments) {
  const at::Tensor u = draw({12, 5}, 1).t(), kernel = draw({3, 14}, 2).t().slice(0, 0, 14, 2);
  EXPECT_LT(largest(causal_convolution(u, kernel) - by_sums(u, kernel)), 1e-13);
}

TEST(CausalConvolution, passes_no_signals_and_no_channels) {
  EXPECT_EQ(causal_convolution(draw({0, 4}, 1), draw({4, 3}, 2)).sizes(),
            (at::IntArrayRef{0, 4, 3}));
  EXPECT_EQ(causal_convolution(draw({2, 4}, 1), draw({4, 0}, 2)).sizes(),
            (at::IntArrayRef{2, 4, 0}));
}

TEST(CausalConvolution, says_what_does_not_fit) {
  EXPECT_THROW(causal_convolution(draw({4}, 1), draw({4, 5}, 2)), InvalidArgument);
  EXPECT_THROW(causal_convolution(draw({3, 0}, 1), draw({4, 5}, 2)), InvalidArgument);
  EXPECT_THROW(causal_convolution(draw({3, 4}, 1), draw({0, 5}, 2)), InvalidArgument);
  EXPECT_THROW(causal_convolution(draw({3, 4}, 1), draw({4, 5}, 2).to(at::kFloat)),
               InvalidArgument);
}

}  // namespace
}  // namespace tessera::ops
