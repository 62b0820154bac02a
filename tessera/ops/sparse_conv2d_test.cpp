#include "tessera/ops/sparse_conv2d.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tessera/core/error.h"

namespace tessera::ops {
namespace {

at::Tensor spikes(at::IntArrayRef sizes, double rate) {
  static auto generator = at::detail::createCPUGenerator(21);
  return at::rand(sizes, generator, at::kDouble).lt(rate).to(at::kDouble) * 0.7;
}
at::Tensor normal(at::IntArrayRef sizes) {
  static auto generator = at::detail::createCPUGenerator(22);
  return torch::randn(sizes, generator, at::kDouble);
}

struct Case {
  int64_t samples, in, out, side, kernel, stride, padding;
  double rate;
};

TEST(SparseConv2d, is_as_accurate_as_the_dense_convolution) {
  for (const Case& c : std::vector<Case>{{2, 3, 64, 7, 3, 1, 1, 0.2},
                                         {9, 16, 32, 6, 3, 2, 1, 0.5},
                                         {1, 5, 16, 5, 1, 2, 0, 1.0},
                                         {3, 8, 48, 4, 3, 1, 0, 0.0},
                                         {2, 7, 128, 1, 3, 1, 1, 0.3},
                                         {17, 4, 16, 3, 2, 1, 1, 0.1}}) {
    const at::Tensor x = spikes({c.samples, c.in, c.side, c.side}, c.rate);
    const at::Tensor weight = normal({c.out, c.in, c.kernel, c.kernel}), bias = normal({c.out});
    const auto packed = [&](at::ScalarType dtype) { return pack_sparse_kernel(weight.to(dtype)); };
    const auto as_float = [](const at::Tensor& t) { return t.to(at::kFloat); };
    const at::Tensor exact_weight = as_float(weight).to(at::kDouble);
    const at::Tensor truth = at::conv2d(as_float(x).to(at::kDouble), exact_weight,
                                        as_float(bias).to(at::kDouble), c.stride, c.padding);
    const at::Tensor ours =
        sparse_conv2d(as_float(x), packed(at::kFloat), as_float(bias), c.stride, c.padding);
    ASSERT_EQ(ours.sizes(), truth.sizes());
    EXPECT_TRUE(ours.is_contiguous(at::MemoryFormat::ChannelsLast));
    const double error = (ours.to(at::kDouble) - truth).abs().max().item<double>();
    EXPECT_LE(error, 4e-7 * (1 + truth.abs().max().item<double>()));
    // Of bools, with what they stand for in the kernel.
    const at::Tensor of_marks =
        sparse_conv2d(x.ne(0), packed(at::kFloat) * 0.7f, as_float(bias), c.stride, c.padding);
    EXPECT_LE((of_marks.to(at::kDouble) - truth).abs().max().item<double>(),
              4e-7 * (1 + truth.abs().max().item<double>()));
    EXPECT_TRUE(at::equal(
        sparse_conv2d(x.ne(0), packed(at::kDouble), bias, c.stride, c.padding),
        sparse_conv2d(x.ne(0).to(at::kDouble), packed(at::kDouble), bias, c.stride, c.padding)));
    EXPECT_TRUE(
        at::allclose(sparse_conv2d(x, packed(at::kDouble), bias, c.stride, c.padding),
                     sparse_conv2d_plain(x, packed(at::kDouble), bias, c.stride, c.padding)));
  }
}

TEST(SparseConv2d, needs_no_bias_and_keeps_gradients) {
  const at::Tensor x = spikes({2, 4, 5, 5}, 0.3).to(at::kFloat);
  const at::Tensor weight = normal({16, 4, 3, 3}).to(at::kFloat).requires_grad_();
  const at::Tensor out = sparse_conv2d(x, pack_sparse_kernel(weight), {}, 1, 1);
  EXPECT_TRUE(out.requires_grad());
  EXPECT_TRUE(at::allclose(out, at::conv2d(x, weight, {}, 1, 1), 1e-5, 1e-6));
  EXPECT_FALSE(pack_sparse_kernel(normal({10, 4, 3, 3})).defined());
}

TEST(SparseConv2d, has_a_shape_rule_and_refuses_what_does_not_fit) {
  const at::Tensor packed = pack_sparse_kernel(normal({16, 4, 3, 3}));
  const auto meta = at::TensorOptions().device(at::kMeta).dtype(at::kDouble);
  EXPECT_EQ(sparse_conv2d(at::empty({2, 4, 7, 5}, meta), packed.to(at::kMeta), {}, 2, 1).sizes(),
            at::IntArrayRef({2, 16, 4, 3}));
  EXPECT_THROW(sparse_conv2d(normal({2, 3, 7, 7}), packed, {}, 1, 1), InvalidArgument);
  EXPECT_THROW(sparse_conv2d(normal({2, 4, 7}), packed, {}, 1, 1), InvalidArgument);
  EXPECT_THROW(sparse_conv2d(normal({2, 4, 2, 2}), packed, {}, 1, 0), InvalidArgument);
  EXPECT_THROW(sparse_conv2d(normal({2, 4, 7, 7}), packed, normal({3}), 1, 1), InvalidArgument);
  EXPECT_THROW(sparse_conv2d(normal({2, 4, 7, 7}), packed, {}, 0, 1), InvalidArgument);
  EXPECT_THROW(sparse_conv2d(normal({2, 4, 7, 7}).gt(0), packed.to(at::kLong), {}, 1, 1),
               InvalidArgument);
  EXPECT_THROW(sparse_conv2d(normal({2, 4, 7, 7}).to(at::kFloat), packed, {}, 1, 1),
               InvalidArgument);
}

}  // namespace
}  // namespace tessera::ops
