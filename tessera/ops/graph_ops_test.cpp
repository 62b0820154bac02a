// masked_propagate, sparse_linear, edge_softmax and sparsity_adam_ against their plain twins.

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <functional>

#include "tessera/core/error.h"
#include "tessera/ops/edge_softmax.h"
#include "tessera/ops/masked_propagate.h"
#include "tessera/ops/relu_dropout.h"
#include "tessera/ops/relu_dropout_args.h"
#include "tessera/ops/sparse_linear.h"
#include "tessera/ops/sparsity_adam.h"

namespace tessera::ops {
namespace {

using Tensors = std::vector<at::Tensor>;
/// Results of an operator from its leaves.
using Pass = std::function<Tensors(const Tensors&)>;

at::Generator generator(uint64_t seed) { return at::detail::createCPUGenerator(seed); }

at::Tensor normal(at::IntArrayRef sizes, uint64_t seed, double scale = 1) {
  return torch::randn(sizes, generator(seed), at::kDouble) * scale;
}

/// Results, then the gradients of all leaves under fixed cotangents.
Tensors with_gradients(const Pass& pass, const Tensors& values, at::ScalarType dtype) {
  Tensors leaves;
  for (const at::Tensor& value : values) {
    leaves.push_back(value.detach().to(dtype).clone().requires_grad_());
  }
  Tensors results = pass(leaves);
  at::Tensor scalar = at::zeros({}, dtype);
  for (size_t i = 0; i < results.size(); ++i) {
    scalar = scalar + (results[i] * normal(results[i].sizes(), 100 + i).to(dtype)).sum();
  }
  for (const at::Tensor& d : torch::autograd::grad({scalar}, leaves)) results.push_back(d);
  return results;
}

void expect_equal(const Tensors& ours, const Tensors& plain, double tolerance) {
  ASSERT_EQ(ours.size(), plain.size());
  for (size_t i = 0; i < ours.size(); ++i) {
    ASSERT_EQ(ours[i].sizes(), plain[i].sizes()) << "result " << i;
    if (ours[i].numel() == 0) continue;
    const double size = plain[i].abs().max().item<double>();
    EXPECT_LE((ours[i] - plain[i]).abs().max().item<double>(), tolerance * (size + 1e-3))
        << "result " << i;
  }
}

/// Error against double at most 2 × that of the plain float composition, 3 × for gradients.
void expect_within_the_rule(const Pass& ours, const Pass& plain, const Tensors& leaves,
                            size_t num_results) {
  const Tensors truth = with_gradients(plain, leaves, at::kDouble);
  const Tensors a = with_gradients(ours, leaves, at::kFloat),
                b = with_gradients(plain, leaves, at::kFloat);
  for (size_t i = 0; i < truth.size(); ++i) {
    const auto rms = [&](const at::Tensor& t) {
      return (t.to(at::kDouble) - truth[i]).square().mean().sqrt().item<double>();
    };
    const double least = 1e-8 * truth[i].square().mean().sqrt().item<double>();
    EXPECT_LT(rms(a[i]) / (rms(b[i]) + least), i < num_results ? 2 : 3) << "result " << i;
  }
}

void expect_equal_bits_at_every_number_of_threads(const Pass& pass, const Tensors& leaves) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Tensors one = with_gradients(pass, leaves, at::kFloat);
  at::set_num_threads(2);
  const Tensors two = with_gradients(pass, leaves, at::kFloat);
  at::set_num_threads(threads);
  for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(at::equal(one[i], two[i])) << "result " << i;
}

template <class Body>
void expect_refused(const char* id, const char* text, const Body& body) {
  try {
    body();
    FAIL() << "not refused: " << text;
  } catch (const InvalidArgument& error) {
    EXPECT_EQ(error.id(), id) << error.what();
    EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
  }
}

// ---- masked_propagate ---------------------------------------------------------------------------

/// Random edges with one large receiver, one large sender, self-loops and a node without edges.
EdgeList draw_edges(int64_t nodes, int64_t count, bool drops = false) {
  const at::Tensor index =
      torch::randint(0, std::max<int64_t>(nodes - 1, 1), {2, count}, generator(1), at::kLong);
  if (count > 0) {
    index[0].narrow(0, 0, count / 4).fill_(0);
    index[1].narrow(0, count / 2, count / 4).fill_(0);
  }
  std::optional<at::Tensor> keep;
  if (drops) keep = torch::rand({count}, generator(2)) > 0.3;
  return sort_edges(index, nodes, keep);
}

Pass propagate_pass(decltype(&masked_propagate) operation, const EdgeList& edges) {
  return [=](const Tensors& t) { return Tensors{operation(t[0], t[1], edges)}; };
}

/// Masks from 0.1 to 1.1, and some of exactly 0.
at::Tensor draw_mask(int64_t count) {
  const at::Tensor mask = torch::rand({count}, generator(3), at::kDouble) + 0.1;
  return mask * (torch::rand({count}, generator(4)) > 0.2);
}

TEST(MaskedPropagate, equals_the_plain_twin) {
  for (const auto& [nodes, count, width] : std::vector<std::array<int64_t, 3>>{{1, 0, 1},
                                                                               {1, 2, 3},
                                                                               {5, 7, 1},
                                                                               {13, 40, 7},
                                                                               {20, 90, 16},
                                                                               {30, 200, 33},
                                                                               {40, 300, 128},
                                                                               {25, 120, 200},
                                                                               {60, 500, 512},
                                                                               {9, 20, 0}}) {
    for (const bool drops : {false, true}) {
      const EdgeList edges = draw_edges(nodes, count, drops);
      const Tensors leaves = {normal({nodes, width}, 5), draw_mask(count)};
      SCOPED_TRACE(fmt::format("N {} E {} H {} drops {}", nodes, count, width, drops));
      expect_equal(
          with_gradients(propagate_pass(masked_propagate, edges), leaves, at::kDouble),
          with_gradients(propagate_pass(masked_propagate_plain, edges), leaves, at::kDouble),
          1e-12);
    }
  }
}

TEST(MaskedPropagate, float_error_is_within_the_rule) {
  for (const int64_t width : {7, 512}) {
    const EdgeList edges = draw_edges(300, 2000);
    expect_within_the_rule(propagate_pass(masked_propagate, edges),
                           propagate_pass(masked_propagate_plain, edges),
                           {normal({300, width}, 5), draw_mask(2000)}, 1);
  }
}

TEST(MaskedPropagate, equal_bits_at_every_number_of_threads) {
  const EdgeList edges = draw_edges(3000, 20000);
  expect_equal_bits_at_every_number_of_threads(propagate_pass(masked_propagate, edges),
                                               {normal({3000, 70}, 5), draw_mask(20000)});
}

TEST(MaskedPropagate, is_the_dense_product_that_a_reader_expects) {
  const at::Tensor index = at::tensor({0, 1, 1, 2, 3, 3, 1, 0, 2, 1, 3, 0}, at::kLong).view({2, 6});
  const at::Tensor mask = at::tensor({0.5, 1.0, 0.0, 2.0, 0.7, -0.3}, at::kDouble);
  at::Tensor A = at::zeros({4, 4}, at::kDouble);
  A.index_put_({index[0], index[1]}, mask);
  const at::Tensor s = (A.sum(1) + 1).pow(-0.5);
  const at::Tensor P = s.unsqueeze(1) * (A + at::eye(4, at::kDouble)).t() * s.unsqueeze(0);
  const at::Tensor h = normal({4, 3}, 5);
  const at::Tensor out = masked_propagate(h, mask, sort_edges(index.flip(0), 4));
  EXPECT_TRUE(at::allclose(out, P.mm(h), 1e-13, 1e-13));
}

TEST(MaskedPropagate, an_edge_with_mask_zero_may_be_dropped) {
  const torch::NoGradGuard no_grad;
  const at::Tensor index = torch::randint(0, 50, {2, 400}, generator(1), at::kLong);
  const at::Tensor mask = draw_mask(400), h = normal({50, 20}, 5);
  EXPECT_TRUE(at::allclose(masked_propagate(h, mask, sort_edges(index, 50)),
                           masked_propagate(h, mask, sort_edges(index, 50, mask)), 1e-13, 1e-13));
}

TEST(MaskedPropagate, a_degree_of_zero_has_scale_and_gradient_zero) {
  const EdgeList edges = sort_edges(at::tensor({1, 0}, at::kLong).view({2, 1}), 2);
  const Tensors leaves = {at::ones({2, 2}, at::kDouble), at::full({1}, -1.0, at::kDouble)};
  const Tensors ours = with_gradients(propagate_pass(masked_propagate, edges), leaves, at::kDouble);
  EXPECT_TRUE(at::equal(ours[0], at::tensor({0., 0., 1., 1.}, at::kDouble).view({2, 2})));
  EXPECT_EQ(ours[2].item<double>(), 0);
  expect_equal(ours,
               with_gradients(propagate_pass(masked_propagate_plain, edges), leaves, at::kDouble),
               1e-15);
}

TEST(MaskedPropagate, takes_other_layouts_and_one_leaf_alone) {
  const EdgeList edges = draw_edges(20, 60);
  const at::Tensor h = normal({33, 20}, 5).t(), mask = draw_mask(60).view({60, 1});
  const at::Tensor straight = masked_propagate(h.contiguous(), mask.view({60}), edges);
  EXPECT_TRUE(at::equal(masked_propagate(h, mask, edges), straight));
  const at::Tensor leaf = mask.clone().requires_grad_();
  masked_propagate(h, leaf, edges).sum().backward();
  EXPECT_EQ(leaf.grad().sizes(), mask.sizes());
}

TEST(MaskedPropagate, refuses_arguments_that_do_not_fit) {
  const EdgeList edges = draw_edges(6, 9);
  const at::Tensor h = normal({6, 3}, 5), mask = draw_mask(9);
  const auto pass = [&](const at::Tensor& a, const at::Tensor& b) {
    return [=] { masked_propagate(a, b, edges); };
  };
  expect_refused("T-PROP-01", "N = 6", pass(normal({5, 3}, 5), mask));
  expect_refused("T-PROP-01", "N = 6", pass(h[0], mask));
  expect_refused("T-PROP-01", "each of the 9 edges", pass(h, draw_mask(8)));
  expect_refused("T-PROP-02", "one dtype", pass(h, mask.to(at::kFloat)));
  expect_refused("T-PROP-03", "at node ", pass(h, mask - 3));
}

// ---- sparse_linear ------------------------------------------------------------------------------

Pass sparse_pass(decltype(&sparse_linear) operation, SparseMatrix x) {
  return [=](const Tensors& t) mutable {
    x.value = t[0];
    return Tensors{operation(x, t[1])};
  };
}

/// About a tenth of non-zeros, an empty row and an empty column.
at::Tensor draw_sparse(int64_t rows, int64_t cols) {
  const at::Tensor dense =
      normal({rows, cols}, 7) * (torch::rand({rows, cols}, generator(8)) < 0.1);
  if (rows > 1) dense[rows - 1].zero_();
  if (cols > 1) dense.select(1, 0).zero_();
  return dense;
}

TEST(SparseLinear, equals_the_plain_twin_and_the_dense_product) {
  for (const auto& [rows, cols, width] : std::vector<std::array<int64_t, 3>>{{1, 1, 1},
                                                                             {5, 9, 3},
                                                                             {40, 70, 16},
                                                                             {70, 40, 33},
                                                                             {90, 200, 128},
                                                                             {50, 60, 0},
                                                                             {300, 100, 512}}) {
    const at::Tensor dense = draw_sparse(rows, cols);
    const SparseMatrix x = compress(dense);
    const Tensors leaves = {x.value, normal({width, cols}, 9)};
    SCOPED_TRACE(fmt::format("{} × {} to {}", rows, cols, width));
    const Tensors ours = with_gradients(sparse_pass(sparse_linear, x), leaves, at::kDouble);
    expect_equal(ours, with_gradients(sparse_pass(sparse_linear_plain, x), leaves, at::kDouble),
                 1e-12);
    EXPECT_TRUE(at::allclose(ours[0], dense.mm(leaves[1].t()), 1e-12, 1e-12));
  }
}

TEST(SparseLinear, float_error_is_within_the_rule) {
  const SparseMatrix x = compress(draw_sparse(400, 300));
  expect_within_the_rule(sparse_pass(sparse_linear, x), sparse_pass(sparse_linear_plain, x),
                         {x.value, normal({64, 300}, 9)}, 1);
}

TEST(SparseLinear, equal_bits_at_every_number_of_threads) {
  const SparseMatrix x = compress(draw_sparse(1500, 700));
  expect_equal_bits_at_every_number_of_threads(sparse_pass(sparse_linear, x),
                                               {x.value, normal({90, 700}, 9)});
}

/// The gradient by the weight. Alone it is made panel by panel where the sizes are right; beside
/// the gradient by the values, by the generic pass.
at::Tensor gradient_by_weight(SparseMatrix x, const at::Tensor& d_out, bool alone) {
  x.value = x.value.detach().clone().requires_grad_(!alone);
  const at::Tensor w = at::zeros({x.cols, d_out.size(1)}, d_out.options()).requires_grad_();
  const at::Tensor out = sparse_linear(x, w.t());
  Tensors leaves = {w};
  if (!alone) leaves.push_back(x.value);
  return torch::autograd::grad({out}, leaves, {d_out})[0];
}

bool equal_bits_or_both_nan(const at::Tensor& a, const at::Tensor& b) {
  return at::allclose(a, b, 0, 0, /*equal_nan=*/true);
}

/// Half of the elements are non-zero.
SparseMatrix draw_half(int64_t rows, int64_t cols, at::ScalarType dtype) {
  const at::Tensor holds = torch::rand({rows, cols}, generator(8)) < 0.5;
  return compress((normal({rows, cols}, 7) * holds).to(dtype));
}

/// A gradient of which a share of the rows is not zero.
at::Tensor draw_gradient(int64_t rows, int64_t width, double share, at::ScalarType dtype) {
  const at::Tensor holds = torch::rand({rows, 1}, generator(5)) < share;
  return (normal({rows, width}, 6) * holds).to(dtype);
}

TEST(SparseLinear, the_gradient_by_the_weight_alone_has_the_bits_of_the_generic_pass) {
  struct Sizes {
    int64_t rows, cols, width;
    double share;
  };
  const int threads = at::get_num_threads();
  for (const Sizes& s : std::vector<Sizes>{{2200, 30, 2001, 1},
                                           {1000, 40, 4500, 1},
                                           {4000, 30, 600, 0.4},
                                           {9000, 20, 130, 0.3},
                                           {2200, 30, 600, 0}}) {
    for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
      SCOPED_TRACE(fmt::format("{} × {} to {}, {} of the rows", s.rows, s.cols, s.width, s.share));
      const SparseMatrix x = draw_half(s.rows, s.cols, dtype);
      const at::Tensor d_out = draw_gradient(s.rows, s.width, s.share, dtype);
      const at::Tensor generic = gradient_by_weight(x, d_out, false);
      for (const int count : {1, 2, 5}) {
        at::set_num_threads(count);
        EXPECT_TRUE(at::equal(gradient_by_weight(x, d_out, true), generic)) << count;
      }
      at::set_num_threads(threads);
    }
  }
}

TEST(SparseLinear, a_row_of_zeros_beside_a_value_that_is_not_finite_is_not_left_out) {
  const SparseMatrix x = draw_half(2200, 30, at::kFloat);
  const at::Tensor d_out = draw_gradient(2200, 600, 0.2, at::kFloat);
  d_out[3].zero_();
  x.value[x.row_ptr[3].item<int64_t>()] = INFINITY;
  const at::Tensor d = gradient_by_weight(x, d_out, true);
  EXPECT_EQ(d.isnan().sum().item<int64_t>(), 600);
  EXPECT_TRUE(equal_bits_or_both_nan(d, gradient_by_weight(x, d_out, false)));
}

TEST(SparseLinear, columns_need_not_be_sorted) {
  for (const double share : {1.0, 0.4}) {
    SparseMatrix x = draw_half(4000, 30, at::kFloat);
    const at::Tensor d_out = draw_gradient(4000, 1100, share, at::kFloat);
    const at::Tensor sorted = gradient_by_weight(x, d_out, true);
    for (int64_t f = 0; f < x.cols; ++f) {
      const int64_t begin = x.col_ptr[f].item<int64_t>();
      const int64_t count = x.col_ptr[f + 1].item<int64_t>() - begin;
      for (at::Tensor* list : {&x.row, &x.place}) {
        const at::Tensor part = list->narrow(0, begin, count);
        part.copy_(part.flip(0));
      }
    }
    const at::Tensor d = gradient_by_weight(x, d_out, true);
    EXPECT_TRUE(at::equal(d, gradient_by_weight(x, d_out, false)));
    EXPECT_TRUE(at::allclose(d, sorted, 1e-4, 1e-4));
  }
}

TEST(SparseLinear, a_weight_stored_turned_gives_the_same_bits_and_a_gradient_of_its_layout) {
  const SparseMatrix x = compress(draw_sparse(50, 60));
  const at::Tensor w = normal({20, 60}, 9).requires_grad_();
  const at::Tensor turned = w.detach().t().contiguous().t().requires_grad_();
  EXPECT_TRUE(at::equal(sparse_linear(x, w), sparse_linear(x, turned)));
  sparse_linear(x, turned).sum().backward();
  EXPECT_EQ(turned.grad().strides(), turned.strides());
}

TEST(SparseLinear, compressed_rows_must_be_whole) {
  const auto list = [](std::initializer_list<int64_t> values) {
    return at::tensor(at::ArrayRef<int64_t>(values.begin(), values.size()), at::kLong);
  };
  const at::Tensor value = at::ones({3}, at::kDouble);
  const auto pass = [&](const at::Tensor& row_ptr, const at::Tensor& col, int64_t cols) {
    return [=] { compress(row_ptr, col, value, cols); };
  };
  EXPECT_EQ(compress(list({0, 2, 3}), list({0, 2, 1}), value, 3).rows, 2);
  expect_refused("T-CSR-01", "ascend", pass(list({0, 4, 3}), list({0, 2, 1}), 3));
  expect_refused("T-CSR-01", "ascend", pass(list({1, 2, 3}), list({0, 2, 1}), 3));
  expect_refused("T-CSR-01", "ascend", pass(list({0, 2}), list({0, 2, 1}), 3));
  expect_refused("T-CSR-01", "[0, 2)", pass(list({0, 2, 3}), list({0, 2, 1}), 2));
  expect_refused("T-CSR-01", "[0, 3)", pass(list({0, 2, 3}), list({0, -1, 1}), 3));
  expect_refused("T-CSR-01", "one element", pass(list({0, 2, 4}), list({0, 2, 1, 0}), 3));
  expect_refused("T-CSR-01", "two axes", [&] { compress(value); });
}

TEST(SparseLinear, refuses_arguments_that_do_not_fit) {
  const SparseMatrix x = compress(draw_sparse(5, 9));
  expect_refused("T-SPL-01", "F = 9", [&] { sparse_linear(x, normal({3, 8}, 9)); });
  expect_refused("T-SPL-02", "one dtype", [&] {
    sparse_linear(x, normal({3, 9}, 9).to(at::kFloat));
  });
}

// ---- edge_softmax -------------------------------------------------------------------------------

Pass softmax_pass(decltype(&edge_softmax) operation, const EdgeList& edges) {
  return [=](const Tensors& t) { return Tensors{operation(t[0], edges)}; };
}

TEST(EdgeSoftmax, equals_the_plain_twin) {
  for (const auto& [nodes, count, heads] : std::vector<std::array<int64_t, 3>>{
           {1, 0, 1}, {1, 1, 1}, {6, 20, 1}, {15, 90, 8}, {20, 150, 17}, {20, 150, 0}}) {
    for (const bool drops : {false, true}) {
      const EdgeList edges = draw_edges(nodes, count, drops);
      // Large: without the shift by the maximum this overflows.
      const Tensors leaves = {normal({count, heads}, 5, 300)};
      SCOPED_TRACE(fmt::format("N {} E {} heads {} drops {}", nodes, count, heads, drops));
      if (count == 0 || heads == 0) {
        EXPECT_EQ(edge_softmax(leaves[0], edges).sizes(), leaves[0].sizes());
        continue;
      }
      expect_equal(with_gradients(softmax_pass(edge_softmax, edges), leaves, at::kDouble),
                   with_gradients(softmax_pass(edge_softmax_plain, edges), leaves, at::kDouble),
                   1e-12);
    }
  }
}

TEST(EdgeSoftmax, sums_to_one_at_every_receiver) {
  const EdgeList edges = draw_edges(40, 300);
  const at::Tensor alpha = edge_softmax(normal({300}, 5), edges).index_select(0, edges.order);
  const at::Tensor sum = at::zeros({40}, at::kDouble).index_add(0, edges.row, alpha);
  EXPECT_TRUE(at::allclose(sum, (edges.row_ptr.diff() > 0).to(at::kDouble)));
}

TEST(EdgeSoftmax, float_error_is_within_the_rule) {
  const EdgeList edges = draw_edges(200, 3000);
  expect_within_the_rule(softmax_pass(edge_softmax, edges), softmax_pass(edge_softmax_plain, edges),
                         {normal({3000, 8}, 5)}, 1);
}

TEST(EdgeSoftmax, equal_bits_at_every_number_of_threads) {
  const EdgeList edges = draw_edges(3000, 40000);
  expect_equal_bits_at_every_number_of_threads(softmax_pass(edge_softmax, edges),
                                               {normal({40000, 8}, 5)});
}

TEST(EdgeSoftmax, refuses_arguments_that_do_not_fit) {
  const EdgeList edges = draw_edges(6, 9);
  expect_refused("T-SOFT-01", "9 edges", [&] { edge_softmax(normal({8, 2}, 5), edges); });
  expect_refused("T-SOFT-01", "9 edges", [&] { edge_softmax(normal({9, 2, 2}, 5), edges); });
}

// ---- relu_dropout -------------------------------------------------------------------------------

TEST(ReluDropout, equals_the_plain_twin) {
  for (const int64_t count : {0, 1, 15, 63, 64, 65, 1000, 40000}) {
    for (const double p : {0.0, 0.5, 0.9}) {
      const Tensors leaves = {normal({count}, 5)};
      SCOPED_TRACE(fmt::format("{} elements, p {}", count, p));
      const auto pass = [&](auto operation) {
        return [=](const Tensors& t) { return Tensors{operation(t[0], p, 7)}; };
      };
      for (const at::ScalarType dtype : {at::kDouble, at::kFloat}) {
        const Tensors ours = with_gradients(pass(relu_dropout), leaves, dtype);
        expect_equal(ours, with_gradients(pass(relu_dropout_plain), leaves, dtype), 1e-7);
      }
    }
  }
}

TEST(ReluDropout, keeps_a_share_that_depends_on_the_seed) {
  const at::Tensor a = dropout_keeps({100000}, 0.3, 1), b = dropout_keeps({100000}, 0.3, 2);
  const auto share = [](const at::Tensor& keeps) {
    return keeps.to(at::kDouble).mean().item<double>();
  };
  // Five standard errors of a share of 100,000.
  EXPECT_NEAR(share(a), 0.7, 5 * 0.00145);
  EXPECT_NEAR(share(b), 0.7, 5 * 0.00145);
  EXPECT_NEAR(share(a == b), 0.58, 5 * 0.00156) << "as independent draws agree";
  EXPECT_TRUE(at::equal(a, dropout_keeps({100000}, 0.3, 1)));
}

TEST(ReluDropout, draws_the_published_words) {
  // The known answer of the generator's authors for a zero counter and key.
  uint32_t c[4] = {0, 0, 0, 0};
  philox(0, c[0], c[1], c[2], c[3]);
  EXPECT_EQ(c[0], 0x6627e8d5u);
  EXPECT_EQ(c[1], 0xe169c58du);
  EXPECT_EQ(c[2], 0xbc57ac4cu);
  EXPECT_EQ(c[3], 0x9b00dbd8u);
}

TEST(ReluDropout, equal_bits_at_every_number_of_threads) {
  expect_equal_bits_at_every_number_of_threads(
      [](const Tensors& t) { return Tensors{relu_dropout(t[0], 0.5, 3)}; }, {normal({300000}, 5)});
}

TEST(ReluDropout, keeps_nan_and_refuses_a_share_of_one) {
  EXPECT_TRUE(relu_dropout(at::full({1}, std::nan("")), 0, 1).isnan().item<bool>());
  expect_refused("T-DROP-01", "[0, 1)", [] { relu_dropout(at::ones({2}), 1, 1); });
  expect_refused("T-DROP-01", "[0, 1)", [] { relu_dropout(at::ones({2}), -0.1, 1); });
}

// ---- sparsity_adam_ -----------------------------------------------------------------------------

/// Two weights (one with a fixed mask, in turned layout) and an edge mask without a weight.
MaskedWeights draw_weights(at::ScalarType dtype) {
  MaskedWeights w;
  const auto add = [&](const at::Tensor& weight, const at::Tensor& mask, const at::Tensor& fixed) {
    w.weight.push_back(weight);
    w.mask.push_back(mask);
    w.fixed.push_back(fixed);
    w.weight_avg.push_back(at::zeros_like(weight));
    w.weight_square.push_back(at::zeros_like(weight));
    w.mask_avg.push_back(at::zeros_like(mask));
    w.mask_square.push_back(at::zeros_like(mask));
    w.effective.push_back(at::zeros_like(mask));
  };
  const at::Tensor none = at::empty({0}, dtype);
  const at::Tensor keep = (torch::rand({40, 7}, generator(4)) > 0.3).to(dtype).t();
  add(normal({40, 7}, 1).to(dtype).t(), keep.clone(), keep);
  add(normal({3, 7}, 2).to(dtype), normal({3, 7}, 3).to(dtype), none);
  add(none, normal({101}, 4).to(dtype), none);
  return w;
}

Tensors gradients_of(const MaskedWeights& w, uint64_t seed) {
  Tensors d;
  for (size_t i = 0; i < w.mask.size(); ++i) {
    d.push_back(normal(w.mask[i].sizes(), seed + i).to(w.mask[i].scalar_type()));
  }
  return d;
}

Tensors after_steps(decltype(&sparsity_adam_) step, at::ScalarType dtype) {
  const MaskedWeights w = draw_weights(dtype);
  const SparsityAdamOptions options{.lr = 0.01, .weight_decay = 0.05, .l1 = {0.1, 0.2, 0.03}};
  for (int64_t k = 1; k <= 5; ++k) step(w, gradients_of(w, 10 * k), k, options);
  Tensors all;
  for (const auto* list : {&w.weight, &w.mask, &w.effective, &w.weight_avg, &w.weight_square,
                           &w.mask_avg, &w.mask_square}) {
    all.insert(all.end(), list->begin(), list->end());
  }
  return all;
}

TEST(SparsityAdam, equals_the_plain_twin) {
  expect_equal(after_steps(sparsity_adam_, at::kDouble),
               after_steps(sparsity_adam_plain_, at::kDouble), 1e-13);
}

TEST(SparsityAdam, float_error_is_within_the_rule) {
  const Tensors truth = after_steps(sparsity_adam_plain_, at::kDouble);
  const Tensors ours = after_steps(sparsity_adam_, at::kFloat),
                plain = after_steps(sparsity_adam_plain_, at::kFloat);
  for (size_t i = 0; i < truth.size(); ++i) {
    if (truth[i].numel() == 0) continue;
    const auto rms = [&](const at::Tensor& t) {
      return (t.to(at::kDouble) - truth[i]).square().mean().sqrt().item<double>();
    };
    const double least = 2e-8 * truth[i].square().mean().sqrt().item<double>();
    EXPECT_LT(rms(ours[i]), 2 * (rms(plain[i]) + least)) << "result " << i;
  }
}

/// The reference's way: one Adam over weights and masks, the L1 subgradient added to the gradient.
TEST(SparsityAdam, equals_adam_over_weights_and_masks) {
  const MaskedWeights w = draw_weights(at::kDouble);
  const at::Tensor weight = w.weight[0].clone().requires_grad_(),
                   mask = w.mask[0].clone().requires_grad_();
  torch::optim::Adam adam({weight, mask}, torch::optim::AdamOptions(0.01).weight_decay(0.05));
  const SparsityAdamOptions options{.lr = 0.01, .weight_decay = 0.05, .l1 = {0.1, 0, 0}};
  for (int64_t k = 1; k <= 5; ++k) {
    const Tensors d = gradients_of(w, 10 * k);
    adam.zero_grad();
    (weight * mask * w.fixed[0] * d[0]).sum().backward();
    mask.mutable_grad() += 0.1 * mask.detach().sign();
    adam.step();
    sparsity_adam_(w, d, k, options);
  }
  EXPECT_TRUE(at::allclose(w.weight[0], weight, 1e-12, 1e-13));
  EXPECT_TRUE(at::allclose(w.mask[0], mask, 1e-12, 1e-13));
  EXPECT_TRUE(at::allclose(w.effective[0], weight * mask * w.fixed[0], 1e-12, 1e-13));
}

TEST(SparsityAdam, what_is_pruned_stays_exactly_zero) {
  const MaskedWeights w = draw_weights(at::kFloat);
  const SparsityAdamOptions options{.lr = 0.1, .weight_decay = 0.5, .l1 = {1, 1, 1}};
  for (int64_t k = 1; k <= 20; ++k) sparsity_adam_(w, gradients_of(w, k), k, options);
  const at::Tensor pruned = w.fixed[0] == 0;
  EXPECT_GT(pruned.sum().item<int64_t>(), 0);
  EXPECT_TRUE((w.mask[0].masked_select(pruned) == 0).all().item<bool>());
  EXPECT_TRUE((w.effective[0].masked_select(pruned) == 0).all().item<bool>());
  EXPECT_TRUE((w.weight[0].masked_select(pruned) != 0).any().item<bool>()) << "it only decays";
}

TEST(SparsityAdam, refuses_lists_that_do_not_fit) {
  const auto refused = [](const char* id, const char* text, auto change) {
    MaskedWeights w = draw_weights(at::kFloat);
    Tensors d = gradients_of(w, 1);
    SparsityAdamOptions options{.l1 = {0, 0, 0}};
    int64_t updates = 1;
    change(w, d, options, updates);
    expect_refused(id, text, [&] { sparsity_adam_(w, d, updates, options); });
  };
  using W = MaskedWeights;
  using O = SparsityAdamOptions;
  refused("T-SADAM-01", "3 tensors", [](W& w, Tensors&, O&, int64_t&) { w.fixed.pop_back(); });
  refused("T-SADAM-01", "3 values", [](W&, Tensors&, O& o, int64_t&) { o.l1.pop_back(); });
  refused("T-SADAM-02", "a gradient",
          [](W&, Tensors& d, O&, int64_t&) { d[0] = d[0].narrow(0, 0, 3); });
  refused("T-SADAM-02", "a weight must",
          [](W& w, Tensors&, O&, int64_t&) { w.weight[0] = w.weight[0].contiguous(); });
  refused("T-SADAM-02", "average",
          [](W& w, Tensors&, O&, int64_t&) { w.weight_avg[1] = at::empty({0}); });
  refused("T-SADAM-02", "dense float32",
          [](W& w, Tensors&, O&, int64_t&) { w.mask[2] = w.mask[2].to(at::kHalf); });
  refused("T-SADAM-03", "betas", [](W&, Tensors&, O& o, int64_t&) { o.beta2 = 1; });
  refused("T-SADAM-03", "updates from 1", [](W&, Tensors&, O&, int64_t& u) { u = 0; });
}

}  // namespace
}  // namespace tessera::ops
