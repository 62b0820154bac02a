#include "tessera/ops/egcl.h"

#include <atomic>
#include <set>
#include <thread>

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tessera/core/differences_test.h"
#include "tessera/core/error.h"

namespace tessera::ops {
namespace {

/// One call of the operator: sizes, options and what is present.
struct Case {
  int64_t nodes = 6, edges = 40, d_in = 5, d = 8, n = 3, e = 2;
  bool has_x = true, has_head = true, has_attention = false, has_weight = false;
  EgclOptions options = {};
  at::ScalarType dtype = at::kDouble;
};

struct Arguments {
  at::Tensor h, edge_index;
  std::optional<at::Tensor> x, edge_attr, edge_weight;
  EgclWeights weights;
  EdgeList edges;
  std::vector<at::Tensor> leaves;
};

Arguments draw(const Case& c, uint64_t seed = 1) {
  auto generator = at::detail::createCPUGenerator(seed);
  Arguments a;
  // Drawn in double and cast, so that the dtypes of one case hold the same numbers.
  const auto randn = [&](at::IntArrayRef sizes, double scale) {
    const at::Tensor value = torch::randn(sizes, generator, at::kDouble) * scale;
    a.leaves.push_back(value.to(c.dtype).requires_grad_());
    return a.leaves.back();
  };
  a.edge_index =
      torch::randint(0, std::max<int64_t>(c.nodes, 1), {2, c.edges}, generator, at::kLong);
  a.edges = sort_edges(a.edge_index, c.nodes);
  const double scale = 1 / std::sqrt(double(c.d));
  const int64_t columns = 2 * c.d_in + (c.has_x ? 1 : 0) + c.e;
  a.h = randn({c.nodes, c.d_in}, 1);
  if (c.has_x) a.x = randn({c.nodes, c.n}, 1);
  if (c.e > 0) a.edge_attr = randn({c.edges, c.e}, 1);
  if (c.has_weight) a.edge_weight = randn({c.edges}, 1);
  a.weights = {.edge_w1 = randn({c.d, columns}, 1 / std::sqrt(double(columns))),
               .edge_b1 = randn({c.d}, scale),
               .edge_w2 = randn({c.d, c.d}, scale),
               .edge_b2 = randn({c.d}, scale)};
  if (c.has_attention) {
    a.weights.att_w = randn({1, c.d}, scale);
    a.weights.att_b = randn({1}, 1);
  }
  if (c.has_head) {
    a.weights.coord_w1 = randn({c.d, c.d}, scale);
    a.weights.coord_b1 = randn({c.d}, scale);
    a.weights.coord_w2 = randn({1, c.d}, scale);
  }
  return a;
}

using Pass = decltype(&egcl);

/// agg, x_delta, then the gradients of a fixed weighting of both towards every leaf.
std::vector<at::Tensor> run(Pass pass, const Arguments& a, const EgclOptions& options) {
  const EgclResult r = pass(a.h, a.x, a.edges, a.edge_attr, a.edge_weight, a.weights, options);
  auto generator = at::detail::createCPUGenerator(7);
  const auto weighted = [&](const at::Tensor& t) {
    return (t * torch::randn(t.sizes(), generator, at::kDouble).to(t.scalar_type())).sum();
  };
  std::vector<at::Tensor> results = {r.agg.detach(), r.x_delta.detach()};
  const at::Tensor loss = weighted(r.agg) + weighted(r.x_delta);
  for (const at::Tensor& g : torch::autograd::grad({loss}, a.leaves, {}, {}, false, true)) {
    results.push_back(g);
  }
  return results;
}

double error(const at::Tensor& a, const at::Tensor& b) {
  if (!b.defined() || b.numel() == 0) return a.defined() ? a.abs().sum().item<double>() : 0;
  const at::Tensor truth = b.to(at::kDouble);
  const at::Tensor ours = a.defined() ? a.to(at::kDouble) : at::zeros_like(truth);
  return ((ours - truth).abs().max() / (truth.abs().max() + 1)).item<double>();
}

void expect_equal_to_plain(const Case& c) {
  const Arguments a = draw(c);
  const auto ours = run(egcl, a, c.options), plain = run(egcl_plain, a, c.options);
  for (size_t i = 0; i < ours.size(); ++i) {
    EXPECT_LT(error(ours[i], plain[i]), 1e-12)
        << "result " << i << " of nodes " << c.nodes << " edges " << c.edges << " d_in " << c.d_in
        << " d " << c.d << " n " << c.n << " e " << c.e;
  }
}

TEST(Egcl, equals_the_plain_twin_for_all_small_widths) {
  for (int64_t d : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 64, 65, 130}) {
    expect_equal_to_plain({.d_in = d, .d = d});
    expect_equal_to_plain({.d_in = 65 - d % 65, .d = d, .has_attention = true});
  }
}

TEST(Egcl, equals_the_plain_twin_for_all_small_edge_counts) {
  for (int64_t edges : {0, 1, 2, 5, 47, 48, 49, 95, 96, 97, 300}) {
    expect_equal_to_plain({.nodes = 7, .edges = edges});
    expect_equal_to_plain({.nodes = 90, .edges = edges, .has_attention = true});
  }
}

TEST(Egcl, equals_the_plain_twin_for_other_coordinate_and_attribute_widths) {
  for (int64_t n : {1, 2, 5, 8}) expect_equal_to_plain({.n = n, .e = 0});
  for (int64_t e : {0, 1, 5, 17}) expect_equal_to_plain({.e = e});
}

TEST(Egcl, equals_the_plain_twin_for_every_option) {
  for (Activation act : {Activation::kSilu, Activation::kRelu, Activation::kLeakyRelu}) {
    expect_equal_to_plain({.options = {.activation = act}});
  }
  for (int bits = 0; bits < 16; ++bits) {
    Case c{.has_attention = bool(bits & 1),
           .has_weight = bool(bits & 2),
           .options = {.coord_tanh = bool(bits & 4), .coord_mean = bool(bits & 8)}};
    expect_equal_to_plain(c);
    c.options.coord_clamp = 0.1;  // active on about half of the steps
    expect_equal_to_plain(c);
    c.has_head = false;
    expect_equal_to_plain(c);
    c.has_x = false;
    expect_equal_to_plain(c);
  }
}

TEST(Egcl, equals_the_plain_twin_for_every_norm) {
  for (CoordNorm norm : {CoordNorm::kUnit, CoordNorm::kPlusOne}) {
    Case c{.nodes = 12, .edges = 30, .options = {.coord_norm = norm}};
    Arguments a = draw(c);
    // Without self pairs: what cancels there is 1e8 times the rest, in the plain twin too.
    a.edge_index[1] = (a.edge_index[0] + 1 + a.edge_index[1].remainder(11)).remainder(12);
    a.edges = sort_edges(a.edge_index, c.nodes);
    const auto ours = run(egcl, a, c.options), plain = run(egcl_plain, a, c.options);
    for (size_t i = 0; i < ours.size(); ++i) EXPECT_LT(error(ours[i], plain[i]), 1e-12) << i;
  }
}

TEST(Egcl, reads_strided_and_transposed_arguments) {
  const Case c{.has_attention = true, .has_weight = true};
  Arguments a = draw(c);
  const auto expected = run(egcl, a, c.options);
  const auto strided = [](const at::Tensor& t) {
    const at::Tensor wide = at::stack({t.detach(), at::zeros_like(t)}, -1);
    return wide.select(-1, 0);
  };
  Arguments b = a;
  b.h = strided(a.h), b.x = strided(*a.x), b.edge_attr = strided(*a.edge_attr);
  b.edge_weight = strided(*a.edge_weight).unsqueeze(1);
  b.weights.edge_w1 = a.weights.edge_w1.detach().t().contiguous().t();
  const EgclResult r = egcl(b.h, b.x, b.edges, b.edge_attr, b.edge_weight, b.weights, c.options);
  EXPECT_TRUE(at::equal(r.agg, expected[0]));
  EXPECT_TRUE(at::equal(r.x_delta, expected[1]));
}

TEST(Egcl, one_node_alone_gets_nothing) {
  const Arguments a = draw({.nodes = 1, .edges = 0});
  const EgclResult r = egcl(a.h, a.x, a.edges, a.edge_attr, {}, a.weights, {});
  EXPECT_TRUE(at::equal(r.agg, at::zeros({1, 8}, at::kDouble)));
  EXPECT_TRUE(at::equal(r.x_delta, at::zeros({1, 3}, at::kDouble)));
}

TEST(Egcl, coincident_nodes_have_finite_gradients) {
  for (CoordNorm norm : {CoordNorm::kNone, CoordNorm::kUnit, CoordNorm::kPlusOne}) {
    Case c{.options = {.coord_norm = norm}};
    Arguments a = draw(c);
    {
      at::NoGradGuard no_grad;
      a.x->zero_();
    }
    for (const at::Tensor& result : run(egcl, a, c.options)) {
      EXPECT_TRUE(!result.defined() || at::isfinite(result).all().item<bool>());
    }
  }
}

TEST(Egcl, duplicated_edges_count_twice) {
  Arguments a = draw({.nodes = 2, .edges = 1, .e = 0});
  a.edge_index = at::tensor({0, 1}, at::kLong).view({2, 1});
  const auto sum_of = [&](int64_t copies) {
    const EdgeList edges = sort_edges(a.edge_index.repeat({1, copies}), 2);
    return egcl(a.h, a.x, edges, {}, {}, a.weights, {.coord_mean = false});
  };
  EXPECT_LT(error(sum_of(2).agg, 2 * sum_of(1).agg), 1e-15);
  EXPECT_LT(error(sum_of(2).x_delta, 2 * sum_of(1).x_delta), 1e-15);
}

TEST(Egcl, dropped_edges_equal_edges_of_weight_zero) {
  Case c{.has_head = false, .has_attention = true};
  Arguments a = draw(c);
  const at::Tensor keep = torch::rand({c.edges}) < 0.5;
  const auto dropped = run(
      egcl,
      [&] {
        Arguments b = a;
        b.edges = sort_edges(a.edge_index, c.nodes, keep);
        return b;
      }(),
      c.options);
  a.edge_weight = keep.to(at::kDouble);
  const auto weighted = run(egcl, a, c.options);
  for (size_t i = 0; i < dropped.size(); ++i) EXPECT_LT(error(dropped[i], weighted[i]), 1e-14) << i;
}

// The rule for kernels: error against double at most 2 × that of the plain float composition, 3 ×
// for gradients. Root mean squares over all values, so that one lucky rounding decides nothing.
TEST(Egcl, float_error_is_within_the_rule) {
  for (const bool attention : {false, true}) {
    Case c{.nodes = 100, .edges = 2000, .d_in = 64, .d = 64, .has_attention = attention};
    const auto truth = run(egcl_plain, draw(c), c.options);
    c.dtype = at::kFloat;
    const Arguments a = draw(c);
    const auto ours = run(egcl, a, c.options), plain = run(egcl_plain, a, c.options);
    for (size_t i = 0; i < ours.size(); ++i) {
      const auto rms = [&](const at::Tensor& t) {
        return (t.to(at::kDouble) - truth[i]).square().mean().sqrt().item<double>();
      };
      const double least = 1e-8 * truth[i].square().mean().sqrt().item<double>();
      const double ratio = rms(ours[i]) / (rms(plain[i]) + least);
      EXPECT_LT(ratio, i < 2 ? 2 : 3) << "result " << i;
      RecordProperty("error_ratio_" + std::to_string(i), std::to_string(ratio));
    }
  }
}

TEST(Egcl, gradient_equals_finite_differences) {
  const Case c{.nodes = 4,
               .edges = 9,
               .d_in = 2,
               .d = 3,
               .n = 2,
               .e = 1,
               .has_attention = true,
               .has_weight = true,
               .options = {.coord_norm = CoordNorm::kPlusOne}};
  Arguments a = draw(c);
  const auto loss = [&] {
    const EgclResult r = egcl(a.h, a.x, a.edges, a.edge_attr, a.edge_weight, a.weights, c.options);
    return r.agg.square().sum() + r.x_delta.sum();
  };
  const auto gradients = torch::autograd::grad({loss()}, a.leaves);
  for (size_t i = 0; i < a.leaves.size(); ++i) {
    const at::Tensor slopes =
        testing::central_differences(a.leaves[i], [&] { return loss().item<double>(); });
    EXPECT_LE((gradients[i] - slopes).abs().max().item<double>(), 1e-7) << "leaf " << i;
  }
}

TEST(Egcl, leaves_its_arguments_alone) {
  const Case c{.has_attention = true, .has_weight = true};
  const Arguments a = draw(c);
  std::vector<at::Tensor> before;
  for (const at::Tensor& leaf : a.leaves) before.push_back(leaf.detach().clone());
  run(egcl, a, c.options);
  for (size_t i = 0; i < before.size(); ++i) EXPECT_TRUE(at::equal(before[i], a.leaves[i]));
}

TEST(Egcl, refuses_arguments_that_do_not_fit) {
  const Arguments a = draw({});
  const auto call = [&](const at::Tensor& h, const std::optional<at::Tensor>& attr,
                        const EgclWeights& weights) {
    egcl(h, a.x, a.edges, attr, {}, weights, {});
  };
  EgclWeights narrow = a.weights, mixed = a.weights;
  narrow.coord_w1 = at::zeros({8, 7}, at::kDouble);
  mixed.edge_b2 = at::zeros({8}, at::kFloat);
  EXPECT_THROW(call(a.h.slice(0, 1), a.edge_attr, a.weights), InvalidArgument);
  EXPECT_THROW(call(a.h, a.edge_attr->slice(0, 1), a.weights), InvalidArgument);
  EXPECT_THROW(call(a.h, std::nullopt, a.weights), InvalidArgument);
  EXPECT_THROW(call(a.h, a.edge_attr, narrow), InvalidArgument);
  EXPECT_THROW(call(a.h, a.edge_attr, mixed), InvalidArgument);
  EXPECT_THROW(coord_norm_of("plusone"), InvalidArgument);
  EXPECT_THROW(activation_of("swish"), InvalidArgument);
}

/// Restores the number of threads.
struct Threads {
  explicit Threads(int count) : before(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before); }
  int before;
};

TEST(Egcl, repeats_bit_for_bit_at_a_fixed_thread_count) {
  const Case c{
      .nodes = 100, .edges = 3000, .d_in = 32, .d = 32, .has_attention = true, .dtype = at::kFloat};
  const Arguments a = draw(c);
  for (int threads : {1, 2}) {
    const Threads guard(threads);
    const auto first = run(egcl, a, c.options);
    for (int repeat = 0; repeat < 5; ++repeat) {
      const auto again = run(egcl, a, c.options);
      for (size_t i = 0; i < first.size(); ++i) EXPECT_TRUE(at::equal(first[i], again[i])) << i;
    }
  }
}

TEST(Egcl, forward_does_not_depend_on_the_thread_count) {
  const Case c{.nodes = 100, .edges = 3000, .d_in = 32, .d = 32, .dtype = at::kFloat};
  const Arguments a = draw(c);
  at::NoGradGuard no_grad;
  std::vector<at::Tensor> results;
  for (int threads : {1, 2}) {
    const Threads guard(threads);
    results.push_back(egcl(a.h, a.x, a.edges, a.edge_attr, {}, a.weights, {}).agg);
  }
  EXPECT_TRUE(at::equal(results[0], results[1]));
}

// at::parallel_for looks at _OPENMP in the file that calls it: without -fopenmp it is silently
// serial. Each part waits until the other has begun, so one thread alone would never end.
TEST(Parallel, two_threads_run_at_once) {
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "needs two cores";
  const Threads guard(2);
  std::atomic<int> begun{0};
  std::atomic<bool> met{true};
  at::parallel_for(0, 2, 1, [&](int64_t begin, int64_t end) {
    if (end - begin != 1) met = false;
    ++begun;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (met && begun < 2) {
      if (std::chrono::steady_clock::now() > deadline) met = false;
      std::this_thread::yield();
    }
  });
  EXPECT_TRUE(met);
}

}  // namespace
}  // namespace tessera::ops
