#include "tessera/ops/unicornn_recurrence.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "tessera/core/error.h"
#include "tessera/ops/cpu/unicornn_layer.h"

namespace tessera::ops {
namespace {

constexpr double kDt = 0.19, kAlpha = 30.65;

struct Arguments {
  at::Tensor q;
  UnicornnOscillators oscillators;
  UnicornnState start;
  at::Tensor mask;
  std::vector<at::Tensor> leaves;
};

struct Case {
  int64_t steps, batch, width;
  bool has_start = true, has_mask = true, sequence = true;
};

Arguments draw(const Case& c, at::ScalarType dtype = at::kDouble) {
  auto generator = at::detail::createCPUGenerator(3);
  Arguments a;
  const auto leaf = [&](const at::Tensor& value) {
    a.leaves.push_back(value.to(dtype).requires_grad_());
    return a.leaves.back();
  };
  a.q = leaf(torch::randn({c.steps, c.batch, c.width}, generator, at::kDouble));
  a.oscillators = {leaf(torch::rand({c.width}, generator, at::kDouble)),
                   leaf(torch::rand({c.width}, generator, at::kDouble) * 0.2 - 0.1), kDt, kAlpha};
  if (c.has_start) {
    a.start.y = leaf(torch::randn({c.batch, c.width}, generator, at::kDouble) * 0.1);
    a.start.z = leaf(torch::randn({c.batch, c.width}, generator, at::kDouble));
  }
  if (c.has_mask) {
    a.mask = leaf(torch::rand({c.batch, c.width}, generator, at::kDouble) + 0.5);
  }
  return a;
}

/// y, y_n, z_n and the gradients of all leaves.
std::vector<at::Tensor> run(decltype(&unicornn_recurrence) pass, const Case& c,
                            const Arguments& a) {
  const UnicornnResult r = pass(a.q, a.oscillators, a.start, a.mask, c.sequence);
  std::vector<at::Tensor> results = {r.y, r.state.y, r.state.z};
  at::Tensor scalar;
  auto generator = at::detail::createCPUGenerator(5);
  for (const at::Tensor& result : results) {
    const at::Tensor cotangent =
        torch::randn(result.sizes(), generator, at::kDouble).to(result.scalar_type());
    const at::Tensor term = (result * cotangent).sum();
    scalar = scalar.defined() ? scalar + term : term;
  }
  for (const at::Tensor& g :
       torch::autograd::grad({scalar}, a.leaves, {}, /*retain_graph=*/{}, false, true)) {
    results.push_back(g.defined() ? g : torch::zeros({}));
  }
  return results;
}

TEST(UnicornnRecurrence, equals_the_plain_twin) {
  const std::vector<Case> cases = {{60, 3, 8},
                                   {1, 1, 1},
                                   {7, 2, 16, false, false},
                                   {33, 5, 33, true, false},
                                   {20, 4, 12, false, true, false},
                                   {9, 1, 130, true, true, true},
                                   {200, 3, 40, false, false, false}};
  for (const Case& c : cases) {
    const Arguments a = draw(c);
    const auto ours = run(unicornn_recurrence, c, a), plain = run(unicornn_recurrence_plain, c, a);
    ASSERT_EQ(ours.size(), plain.size());
    for (size_t i = 0; i < ours.size(); ++i) {
      if (ours[i].numel() == 0) continue;
      const double size = plain[i].abs().max().item<double>();
      EXPECT_LE((ours[i] - plain[i]).abs().max().item<double>(), 1e-11 * size + 1e-15)
          << "result " << i << " of T " << c.steps << " B " << c.batch << " H " << c.width;
    }
  }
}

// Error against double at most 2 × that of the plain float composition, 3 × for gradients.
TEST(UnicornnRecurrence, float_error_is_within_the_rule) {
  const Case c{784, 4, 48};
  const Arguments a = draw(c, at::kFloat);
  Arguments wide;
  for (const at::Tensor& leaf : a.leaves) {
    wide.leaves.push_back(leaf.detach().to(at::kDouble).requires_grad_());
  }
  wide.q = wide.leaves[0];
  wide.oscillators = {wide.leaves[1], wide.leaves[2], kDt, kAlpha};
  wide.start = {wide.leaves[3], wide.leaves[4]};
  wide.mask = wide.leaves[5];
  const auto truth = run(unicornn_recurrence_plain, c, wide);
  const auto ours = run(unicornn_recurrence, c, a), plain = run(unicornn_recurrence_plain, c, a);
  for (size_t i = 0; i < ours.size(); ++i) {
    const auto rms = [&](const at::Tensor& t) {
      return (t.to(at::kDouble) - truth[i]).square().mean().sqrt().item<double>();
    };
    const double least = 1e-8 * truth[i].square().mean().sqrt().item<double>();
    EXPECT_LT(rms(ours[i]) / (rms(plain[i]) + least), i < 3 ? 2 : 3) << "result " << i;
  }
}

TEST(UnicornnRecurrence, a_layout_of_other_strides_gives_the_same) {
  const Case c{12, 3, 8};
  Arguments a = draw(c);
  const auto straight = run(unicornn_recurrence, c, a);
  a.q = a.q.transpose(0, 1).contiguous().transpose(0, 1);
  const auto turned = unicornn_recurrence(a.q, a.oscillators, a.start, a.mask).y;
  EXPECT_TRUE(at::equal(turned, straight[0]));
}

TEST(UnicornnRecurrence, carried_state_continues_bit_for_bit) {
  for (const at::ScalarType dtype : {at::kFloat, at::kDouble}) {
    const torch::NoGradGuard no_grad;
    const Arguments a = draw({50, 3, 21}, dtype);
    const auto whole = unicornn_recurrence(a.q, a.oscillators, a.start);
    const auto first = unicornn_recurrence(a.q.narrow(0, 0, 17), a.oscillators, a.start);
    const auto second = unicornn_recurrence(a.q.narrow(0, 17, 33), a.oscillators, first.state);
    EXPECT_TRUE(at::equal(at::cat({first.y, second.y}), whole.y));
    EXPECT_TRUE(at::equal(second.state.y, whole.state.y));
    EXPECT_TRUE(at::equal(second.state.z, whole.state.z));
  }
}

TEST(UnicornnRecurrence, equal_calls_give_equal_bits_at_every_number_of_threads) {
  const Case c{300, 16, 64};
  const Arguments a = draw(c, at::kFloat);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = run(unicornn_recurrence, c, a);
  at::set_num_threads(2);
  const auto two = run(unicornn_recurrence, c, a);
  at::set_num_threads(threads);
  for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(at::equal(one[i], two[i])) << "result " << i;
}

TEST(UnicornnRecurrence, half_precisions_keep_states_in_float) {
  const Case c{30, 2, 6, false, false};
  const Arguments a = draw(c, at::kBFloat16);
  const auto low = unicornn_recurrence(a.q, a.oscillators);
  EXPECT_EQ(low.y.scalar_type(), at::kBFloat16);
  EXPECT_EQ(low.state.y.scalar_type(), at::kFloat);
  const UnicornnOscillators wide = {a.oscillators.w.to(at::kFloat), a.oscillators.c.to(at::kFloat),
                                    kDt, kAlpha};
  EXPECT_TRUE(at::allclose(low.state.y, unicornn_recurrence(a.q.to(at::kFloat), wide).state.y));
}

float last_place(float value) {
  const float size = std::fabs(value);
  return std::nextafter(size, std::numeric_limits<float>::infinity()) - size;
}

// Every 256th float from 0 to 16, both signs: 4 million values.
TEST(UnicornnRecurrence, float_tanh_is_within_two_units_in_the_last_place) {
  uint32_t last = 0;
  const float most = 16;
  std::memcpy(&last, &most, sizeof(last));
  std::vector<float> x, y(4096);
  double worst = 0;
  const auto check = [&] {
    unicornn_kernels<float>().tanh(static_cast<int64_t>(x.size()), x.data(), y.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double truth = std::tanh(static_cast<double>(x[i]));
      worst = std::max(worst, std::fabs(y[i] - truth) / last_place(static_cast<float>(truth)));
    }
    x.clear();
  };
  for (uint32_t bits = 0; bits < last; bits += 256) {
    float value = 0;
    std::memcpy(&value, &bits, sizeof(value));
    x.push_back(bits % 512 == 0 ? value : -value);
    if (x.size() == y.size()) check();
  }
  check();
  EXPECT_LE(worst, 2);
  const std::vector<float> special = {std::nanf(""), INFINITY, -INFINITY, -0.0f, 100.0f};
  unicornn_kernels<float>().tanh(5, special.data(), y.data());
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(y[1], 1);
  EXPECT_EQ(y[2], -1);
  EXPECT_TRUE(y[3] == 0 && std::signbit(y[3]));
  EXPECT_EQ(y[4], 1);
}

TEST(UnicornnRecurrence, nan_stays_in_its_chain) {
  const torch::NoGradGuard no_grad;
  const Arguments a = draw({5, 2, 20}, at::kFloat);
  at::Tensor q = a.q.clone();
  q[1][0][3] = std::nanf("");
  const at::Tensor y = unicornn_recurrence(q, a.oscillators).y;
  EXPECT_EQ(y.isnan().sum().item<int64_t>(), 4);
  EXPECT_TRUE(std::isnan(y[1][0][3].item<float>()));
}

template <class Body>
void expect_refused(const char* id, const char* text, const Body& body) {
  try {
    body();
    FAIL() << "not refused: " << text;
  } catch (const InvalidArgument& error) {
    EXPECT_EQ(error.id(), id);
    EXPECT_NE(std::string(error.what()).find(text), std::string::npos) << error.what();
  }
}

TEST(UnicornnRecurrence, refuses_arguments_that_do_not_fit) {
  const Arguments a = draw({4, 2, 3});
  const auto& o = a.oscillators;
  const auto pass = [](const at::Tensor& q, const UnicornnOscillators& oscillators,
                       const UnicornnState& start = {}, const at::Tensor& mask = {}) {
    return [=] { unicornn_recurrence(q, oscillators, start, mask); };
  };
  expect_refused("T-OSC-01", "q must be (T, B, H)", pass(a.q[0], o));
  expect_refused("T-OSC-01", "at least one step", pass(a.q.narrow(0, 0, 0), o));
  expect_refused("T-OSC-01", "at least one step", pass(a.q.narrow(1, 0, 0), o));
  expect_refused("T-OSC-01", "w must be (3)", pass(a.q, {a.q[0][0][0], o.c, kDt, kAlpha}));
  expect_refused("T-OSC-01", "c must be (3)", pass(a.q, {o.w, {}, kDt, kAlpha}));
  expect_refused("T-OSC-01", "y0 must be (2, 3)", pass(a.q, o, {a.q, {}}));
  expect_refused("T-OSC-01", "z0 must be (2, 3)", pass(a.q, o, {{}, a.q}));
  expect_refused("T-OSC-01", "mask must be (2, 3)", pass(a.q, o, {}, o.w));
  expect_refused("T-OSC-02", "one device and the dtype", pass(a.q.to(at::kFloat), o));
  expect_refused("T-OSC-03", "dt must be above 0", pass(a.q, {o.w, o.c, 0, kAlpha}));
  expect_refused("T-OSC-03", "alpha at least 0", pass(a.q, {o.w, o.c, kDt, -1}));
  expect_refused("T-OSC-03", "dt must be above 0", pass(a.q, {o.w, o.c, std::nan(""), 0}));
}

}  // namespace
}  // namespace tessera::ops
