#include "tessera/ops/unicornn_stack.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tessera/core/error.h"

namespace tessera::ops {
namespace {

struct Case {
  int64_t steps, batch, in, width, num_layers;
  UnicornnResidual residual = UnicornnResidual::kNone;
  int64_t skip = 1;
  bool has_masks = true, has_start = true, sequence = true;
};

struct Arguments {
  at::Tensor x, masks;
  UnicornnState start;
  std::vector<UnicornnStackLayer> layers;
  std::vector<at::Tensor> leaves;
};

Arguments draw(const Case& c, at::ScalarType dtype = at::kDouble) {
  auto generator = at::detail::createCPUGenerator(3);
  Arguments a;
  const auto leaf = [&](at::IntArrayRef sizes, double scale) {
    a.leaves.push_back(
        (torch::randn(sizes, generator, at::kDouble) * scale).to(dtype).requires_grad_());
    return a.leaves.back();
  };
  const std::vector<int64_t> planes = {c.num_layers, c.batch, c.width};
  a.x = leaf({c.steps, c.batch, c.in}, 1);
  if (c.has_masks) a.masks = leaf(planes, 1);
  if (c.has_start) a.start = {leaf(planes, 0.2), leaf(planes, 1)};
  for (int64_t l = 0; l < c.num_layers; ++l) {
    const int64_t in = l == 0 ? c.in : c.width;
    UnicornnStackLayer layer{.v = leaf({c.width, in}, 1 / std::sqrt(double(in))),
                             .b = leaf({c.width}, 0.3),
                             .w = leaf({c.width}, 0.5),
                             .c = leaf({c.width}, 0.1),
                             .dt = 0.2 + 0.05 * static_cast<double>(l)};
    if (c.residual == UnicornnResidual::kLearned && l > c.skip) {
      layer.residual = leaf({c.width, c.width}, 1 / std::sqrt(double(c.width)));
    }
    a.layers.push_back(layer);
  }
  return a;
}

std::vector<at::Tensor> run(decltype(&unicornn_stack) pass, UnicornnBackwardMode mode,
                            const Case& c, const Arguments& a) {
  const UnicornnStackResult r = pass(a.x, a.layers, a.masks, a.start,
                                     {.alpha = 5,
                                      .residual = c.residual,
                                      .skip = c.skip,
                                      .backward = mode,
                                      .sequence = c.sequence});
  std::vector<at::Tensor> results = {r.y, r.y_n, r.z_n};
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

const std::vector<Case>& cases() {
  using enum UnicornnResidual;
  static const std::vector<Case> cases = {
      {30, 3, 1, 12, 3},
      {25, 2, 11, 7, 1, kNone, 1, false, false},
      {25, 3, 2, 7, 4, kLearned},
      {25, 3, 9, 7, 5, kLearned, 2, true, false, false},
      {25, 3, 8, 20, 4, kIdentity, 1, false, true, false},
      {1, 1, 1, 1, 2, kIdentity},
      // Several blocks of steps: 512 KiB are 64 steps of these doubles.
      {150, 8, 6, 128, 2},
      {150, 8, 20, 128, 3, kLearned, 1, true, true, false},
  };
  return cases;
}

TEST(UnicornnStack, marching_blocks_equals_layer_by_layer_in_every_mode) {
  for (const Case& c : cases()) {
    const Arguments a = draw(c);
    const auto plain = run(unicornn_stack_plain, UnicornnBackwardMode::kStore, c, a);
    for (const auto mode : {UnicornnBackwardMode::kReconstruct, UnicornnBackwardMode::kStore,
                            UnicornnBackwardMode::kFullReversible}) {
      const auto ours = run(unicornn_stack, mode, c, a);
      ASSERT_EQ(ours.size(), plain.size());
      for (size_t i = 0; i < ours.size(); ++i) {
        ASSERT_EQ(ours[i].sizes(), plain[i].sizes()) << "result " << i;
        if (ours[i].numel() == 0) continue;
        const double size = plain[i].abs().max().item<double>();
        EXPECT_LE((ours[i] - plain[i]).abs().max().item<double>(), 1e-9 * size + 1e-14)
            << "result " << i << ", mode " << int(mode) << ", T " << c.steps << " D " << c.in
            << " L " << c.num_layers;
      }
    }
  }
}

TEST(UnicornnStack, float_gradients_of_the_modes_agree) {
  const Case c{400, 6, 3, 64, 3};
  const Arguments a = draw(c, at::kFloat);
  const auto stored = run(unicornn_stack, UnicornnBackwardMode::kStore, c, a);
  for (const auto mode :
       {UnicornnBackwardMode::kReconstruct, UnicornnBackwardMode::kFullReversible}) {
    const auto ours = run(unicornn_stack, mode, c, a);
    for (size_t i = 0; i < ours.size(); ++i) {
      const double size = stored[i].norm().item<double>();
      EXPECT_LE((ours[i] - stored[i]).norm().item<double>(), 2e-3 * size) << "result " << i;
    }
  }
}

TEST(UnicornnStack, parts_of_the_batch_march_alone_and_agree) {
  // Enough work for two threads, an odd batch, both kinds of first layers.
  for (const int64_t in : {1, 24}) {
    const Case c{40, 9, in, 64, 3, UnicornnResidual::kLearned};
    const Arguments a = draw(c);
    const int threads = at::get_num_threads();
    at::set_num_threads(1);
    const auto alone = run(unicornn_stack, UnicornnBackwardMode::kReconstruct, c, a);
    at::set_num_threads(2);
    for (const auto mode :
         {UnicornnBackwardMode::kReconstruct, UnicornnBackwardMode::kFullReversible}) {
      const auto together = run(unicornn_stack, mode, c, a);
      for (size_t i = 0; i < alone.size(); ++i) {
        EXPECT_LE((together[i] - alone[i]).abs().max().item<double>(),
                  1e-9 * (1 + alone[i].abs().max().item<double>()))
            << "result " << i << ", inputs " << in;
      }
    }
    at::set_num_threads(threads);
  }
}

TEST(UnicornnStack, second_derivatives_are_those_of_the_plain_twin) {
  const Case c{6, 2, 2, 3, 2};
  const Arguments a = draw(c);
  const auto second = [&](decltype(&unicornn_stack) pass, UnicornnBackwardMode mode) {
    const auto r = pass(a.x, a.layers, a.masks, a.start, {.alpha = 5, .backward = mode});
    const auto first = torch::autograd::grad({r.y_n.square().sum()}, {a.x}, {}, true, true)[0];
    return torch::autograd::grad({first.square().sum()}, {a.layers[0].v})[0];
  };
  EXPECT_TRUE(at::allclose(second(unicornn_stack, UnicornnBackwardMode::kReconstruct),
                           second(unicornn_stack_plain, UnicornnBackwardMode::kStore), 1e-9));
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

TEST(UnicornnStack, refuses_arguments_that_do_not_fit) {
  const Arguments a = draw({4, 2, 3, 5, 3, UnicornnResidual::kLearned});
  const auto pass = [&](const auto& change) {
    return [&a, change] {
      Arguments b = a;
      change(b);
      unicornn_stack(b.x, b.layers, b.masks, b.start, {.residual = UnicornnResidual::kLearned});
    };
  };
  expect_refused("T-OSC-05", "x must be (T, B, D)", pass([](auto& b) { b.x = b.x[0]; }));
  expect_refused("T-OSC-05", "one step", pass([](auto& b) { b.x = b.x.narrow(0, 0, 0); }));
  expect_refused("T-OSC-06", "a stack has a layer", pass([](auto& b) { b.layers.clear(); }));
  expect_refused("T-OSC-04", "masks must be", pass([](auto& b) { b.masks = b.masks[0]; }));
  expect_refused("T-OSC-04", "y0 must be", pass([](auto& b) { b.start.y = b.x; }));
  expect_refused("T-OSC-04", "z0 must be", pass([](auto& b) { b.start.z = b.x; }));
  expect_refused("T-OSC-04", "v of layer 1 must be (5, 5)",
                 pass([](auto& b) { b.layers[1].v = b.layers[0].v; }));
  expect_refused("T-OSC-04", "b of layer 0", pass([](auto& b) { b.layers[0].b = b.x; }));
  expect_refused("T-OSC-04", "c of layer 0", pass([](auto& b) { b.layers[0].c = b.x; }));
  expect_refused("T-OSC-04", "residual of layer 2",
                 pass([](auto& b) { b.layers[2].residual = at::Tensor(); }));
  expect_refused("T-OSC-07", "one dtype", pass([](auto& b) { b.x = b.x.detach().to(at::kFloat); }));
}

}  // namespace
}  // namespace tessera::ops
