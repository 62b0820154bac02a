#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <vector>

#include "tessera/core/error.h"
#include "tessera/ops/lmu_cell.h"
#include "tessera/ops/lmu_chunked.h"
#include "tessera/ops/lmu_final_state.h"

namespace tessera::ops {
namespace {

at::Tensor draw(at::IntArrayRef sizes, uint64_t seed, at::ScalarType dtype = at::kDouble) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::randn(sizes, generator, at::TensorOptions(at::kDouble)).to(dtype);
}

double largest(const at::Tensor& tensor) { return tensor.abs().max().item<double>(); }

// ---- The last state -----------------------------------------------------------------------------

TEST(LmuFinalState, is_the_plain_twin_for_every_reach) {
  for (const int64_t reach : {1, 7, 12, 20}) {
    const at::Tensor u = draw({3, 12, 2}, 1).requires_grad_(),
                     g = draw({reach, 5}, 2).requires_grad_(), seed = draw({3, 2, 5}, 3);
    const at::Tensor ours = lmu_final_state(u, g), plain = lmu_final_state_plain(u, g);
    EXPECT_LT(largest(ours - plain), 1e-13) << reach;
    const auto d = torch::autograd::grad({ours}, {u, g}, {seed}),
               d_plain = torch::autograd::grad({plain}, {u, g}, {seed});
    EXPECT_LT(largest(d[0] - d_plain[0]), 1e-13) << reach;
    EXPECT_LT(largest(d[1] - d_plain[1]), 1e-13) << reach;
  }
}

TEST(LmuFinalState, reads_strided_arguments) {
  const at::Tensor u = draw({2, 12, 3}, 1).transpose(0, 2), g = draw({5, 20}, 2).t();
  EXPECT_LT(largest(lmu_final_state(u, g) - lmu_final_state_plain(u, g)), 1e-13);
}

TEST(LmuFinalState, says_what_does_not_fit) {
  EXPECT_THROW(lmu_final_state(draw({3, 4}, 1), draw({4, 5}, 2)), InvalidArgument);
  EXPECT_THROW(lmu_final_state(draw({3, 0, 1}, 1), draw({4, 5}, 2)), InvalidArgument);
  EXPECT_THROW(lmu_final_state(draw({3, 4, 1}, 1), draw({4, 5}, 2, at::kFloat)), InvalidArgument);
}

// ---- States by chunks ---------------------------------------------------------------------------

/// A stable system and its impulse response.
struct System {
  at::Tensor A_t, impulse;

  explicit System(int64_t length, int64_t n = 5) {
    A_t = 0.9 * at::eye(n, at::kDouble) + 0.05 * draw({n, n}, 7);
    std::vector<at::Tensor> rows = {draw({n}, 8)};
    for (int64_t i = 1; i < length; ++i) rows.push_back(at::matmul(rows.back(), A_t));
    impulse = at::stack(rows);
  }
};

/// m ← m Āᵀ + u B̄ᵀ, step by step.
at::Tensor step_by_step(const at::Tensor& u, const at::Tensor& m0, const System& system) {
  at::Tensor m = m0;
  std::vector<at::Tensor> all;
  for (const at::Tensor& u_t : u.unbind(1)) {
    all.push_back(m = at::mm(m, system.A_t) + u_t.unsqueeze(1) * system.impulse[0]);
  }
  return at::stack(all, 1);
}

TEST(LmuChunked, is_the_recurrence_for_every_chunk) {
  const System system(23);
  for (const int64_t chunk : {1, 2, 5, 22, 23, 64}) {
    const at::Tensor u = draw({3, 23}, 1).requires_grad_(), m0 = draw({3, 5}, 2).requires_grad_(),
                     seed = draw({3, 23, 5}, 3);
    const at::Tensor truth = step_by_step(u, m0, system);
    const auto d_truth = torch::autograd::grad({truth}, {u, m0}, {seed});
    for (const auto& form : {lmu_chunked, lmu_chunked_plain}) {
      const at::Tensor m = form(u, m0, system.impulse, system.A_t, chunk);
      EXPECT_LT(largest(m - truth), 1e-12) << chunk;
      const auto d = torch::autograd::grad({m}, {u, m0}, {seed});
      EXPECT_LT(largest(d[0] - d_truth[0]), 1e-12) << chunk;
      EXPECT_LT(largest(d[1] - d_truth[1]), 1e-12) << chunk;
    }
  }
}

TEST(LmuChunked, takes_a_gradient_whose_steps_lie_outside_its_signals) {
  const System system(8);
  const at::Tensor u = draw({3, 8}, 1).requires_grad_(), seed_TRN = draw({8, 3, 5}, 3);
  const at::Tensor m = lmu_chunked(u, {}, system.impulse, system.A_t, 4);
  const auto d = [&](const at::Tensor& seed) {
    return torch::autograd::grad({m}, {u}, {seed}, /*retain_graph=*/true)[0];
  };
  const at::Tensor seed = seed_TRN.transpose(0, 1);
  EXPECT_TRUE(d(seed).equal(d(seed.contiguous())));
}

TEST(LmuChunked, starts_from_zero_where_no_state_is_given) {
  const System system(9);
  const at::Tensor u = draw({2, 9}, 1), zero = at::zeros({2, 5}, u.options());
  EXPECT_LT(
      largest(lmu_chunked(u, {}, system.impulse, system.A_t, 4) - step_by_step(u, zero, system)),
      1e-12);
}

TEST(LmuChunked, has_the_gradients_of_its_system_and_second_derivatives) {
  const System made(9);
  const at::Tensor u = draw({2, 9}, 1).requires_grad_(), m0 = draw({2, 5}, 2).requires_grad_(),
                   g = made.impulse.clone().requires_grad_(),
                   A_t = made.A_t.clone().requires_grad_(), seed = draw({2, 9, 5}, 3);
  const auto all = [&](const auto& form) {
    const at::Tensor m = form(u, m0, g, A_t, 4);
    auto d = torch::autograd::grad({m.pow(2)}, {u, m0, g, A_t}, {seed}, true, true);
    const auto second = torch::autograd::grad({d[0].pow(2).sum()}, {u, g, A_t});
    d.insert(d.end(), second.begin(), second.end());
    return d;
  };
  const auto ours = all(lmu_chunked), plain = all(lmu_chunked_plain);
  for (size_t i = 0; i < ours.size(); ++i) {
    EXPECT_LT(largest(ours[i] - plain[i]), 1e-10 * (1 + largest(plain[i]))) << i;
  }
}

TEST(LmuChunked, says_what_does_not_fit) {
  const System system(9);
  EXPECT_THROW(lmu_chunked(draw({2, 9}, 1), {}, system.impulse.narrow(0, 0, 3), system.A_t, 4),
               InvalidArgument);
  EXPECT_THROW(lmu_chunked(draw({2, 9}, 1), {}, system.impulse, system.A_t, 0), InvalidArgument);
  EXPECT_THROW(lmu_chunked(draw({2, 9}, 1), draw({3, 5}, 2), system.impulse, system.A_t, 4),
               InvalidArgument);
  EXPECT_THROW(lmu_chunked(draw({9}, 1), {}, system.impulse, system.A_t, 4), InvalidArgument);
}

// ---- The cell of 2019 ---------------------------------------------------------------------------

struct Cell {
  std::vector<at::Tensor> t;

  Cell(int64_t steps, int64_t batch, int64_t hidden, int64_t order,
       at::ScalarType dtype = at::kDouble) {
    const auto add = [&](at::IntArrayRef sizes, double scale) {
      t.push_back((scale * draw(sizes, t.size() + 1)).to(dtype).requires_grad_());
    };
    add({steps, batch}, 1);
    add({steps, batch, hidden}, 1);
    add({batch, hidden}, 0.5);
    add({batch, order}, 0.5);
    add({1, hidden}, 0.3);
    add({1, order}, 0.3);
    add({hidden, hidden}, 0.2);
    add({hidden, order}, 0.2);
    add({order, order}, 0.1);
    add({order, 1}, 0.3);
  }

  LmuCellResult run(bool plain) const {
    const LmuCellInput input{.u = t[0], .h = t[1], .gate = {}, .h0 = t[2], .m0 = t[3]};
    const LmuCellWeights weights{
        .e_h = t[4], .e_m = t[5], .W_h = t[6], .W_m = t[7], .A = t[8], .B = t[9], .W_fh = {}};
    return plain ? lmu_cell_plain(input, weights, {}) : lmu_cell(input, weights, {});
  }

  std::vector<at::Tensor> gradients(bool plain) const {
    const LmuCellResult r = run(plain);
    const at::Tensor scalar = (r.h * draw(r.h.sizes(), 90).to(r.h.options())).sum() +
                              (r.m_n * draw(r.m_n.sizes(), 91).to(r.h.options())).sum();
    return torch::autograd::grad({scalar}, t);
  }
};

TEST(LmuCell, is_the_plain_twin_at_every_size) {
  const std::vector<std::array<int64_t, 4>> sizes = {
      {1, 1, 1, 1}, {2, 1, 3, 17}, {5, 3, 16, 2}, {9, 7, 20, 33}, {40, 33, 31, 16}};
  for (const auto& [steps, batch, hidden, order] : sizes) {
    const Cell cell(steps, batch, hidden, order);
    const LmuCellResult ours = cell.run(false), plain = cell.run(true);
    EXPECT_LT(largest(ours.h - plain.h), 1e-12);
    EXPECT_LT(largest(ours.m_n - plain.m_n), 1e-12 * (1 + largest(plain.m_n)));
    const auto d = cell.gradients(false), d_plain = cell.gradients(true);
    for (size_t i = 0; i < d.size(); ++i) {
      EXPECT_LT(largest(d[i] - d_plain[i]), 1e-11 * (1 + largest(d_plain[i])))
          << "gradient " << i << " of " << steps << " steps, batch " << batch;
    }
  }
}

TEST(LmuCell, is_as_accurate_as_the_plain_twin_in_float) {
  const Cell truth(30, 8, 40, 24), single(30, 8, 40, 24, at::kFloat);
  const at::Tensor exact = truth.run(true).h;
  EXPECT_LE(largest(single.run(false).h - exact), 2 * largest(single.run(true).h - exact));
  const auto d = single.gradients(false), d_plain = single.gradients(true),
             d_exact = truth.gradients(true);
  for (size_t i = 0; i < d.size(); ++i) {
    EXPECT_LE(largest(d[i] - d_exact[i]),
              3 * largest(d_plain[i] - d_exact[i]) + 1e-7 * largest(d_exact[i]))
        << i;
  }
}

TEST(LmuCell, a_second_derivative_is_that_of_the_plain_twin) {
  const Cell cell(4, 2, 5, 3);
  const auto second = [&](bool plain) {
    const at::Tensor y = cell.run(plain).h.square().sum();
    const at::Tensor d = torch::autograd::grad({y}, {cell.t[6]}, {}, true, true)[0];
    return torch::autograd::grad({d.square().sum()}, {cell.t[7]})[0];
  };
  EXPECT_LT(largest(second(false) - second(true)), 1e-11);
}

TEST(LmuCell, an_unused_result_has_no_gradient) {
  const Cell cell(6, 2, 5, 3);
  const auto of = [&](bool plain) {
    return torch::autograd::grad({cell.run(plain).m_n.sum()}, {cell.t[5]})[0];
  };
  EXPECT_LT(largest(of(false) - of(true)), 1e-12);
}

TEST(LmuCell, says_what_does_not_fit) {
  Cell cell(4, 2, 5, 3);
  cell.t[8] = draw({2, 3}, 1);
  EXPECT_THROW(cell.run(false), InvalidArgument);
  Cell other(4, 2, 5, 3);
  other.t[6] = draw({5, 5}, 1, at::kFloat);
  EXPECT_THROW(other.run(false), InvalidArgument);
  EXPECT_THROW(activated("softsign", draw({2}, 1)), InvalidArgument);
}

}  // namespace
}  // namespace tessera::ops
