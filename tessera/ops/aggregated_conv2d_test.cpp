#include "tessera/ops/aggregated_conv2d.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tessera/core/error.h"
#include "tessera/ops/aggregated_conv2d_forms.h"

namespace tessera::ops {
namespace {

at::Tensor draw(at::IntArrayRef sizes, uint64_t seed) {
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::randn(sizes, generator, at::TensorOptions(at::kDouble));
}

double largest(const at::Tensor& tensor) { return tensor.abs().max().item<double>(); }

struct Shape {
  int64_t samples, in, out, kernel, height, width, sources;
  AggregatedConvOptions options = {};
  bool has_align = true, has_bias = false, is_shared = false;
};

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> kShapes = {
      {3, 6, 5, 3, 7, 6, 4, {.padding = 1}},
      {2, 9, 7, 1, 5, 5, 5, {.stride = 2}, false},
      {2, 9, 7, 1, 5, 4, 3, {}, true, true},
      {1, 4, 4, 3, 6, 6, 1, {.stride = 2, .padding = 2, .dilation = 2}, true, true},
      {4, 4, 6, 3, 5, 5, 3, {.padding = 1}, true, true, true},
      {3, 6, 4, 3, 5, 5, 2, {.padding = 1, .groups = 2}, true, true},
      {2, 6, 4, 1, 5, 5, 2, {.groups = 2}, false, false, true},
      {2, 5, 3, 1, 3, 3, 2, {.padding = 1}, false},
      {2, 3, 8, 7, 14, 13, 5, {.stride = 2, .padding = 3}},
  };
  return kShapes;
}

AggregatedConv problem(const Shape& s, at::ScalarType dtype = at::kDouble) {
  const auto tensor = [&](at::IntArrayRef sizes, uint64_t seed) {
    return draw(sizes, seed).to(dtype);
  };
  AggregatedConv it{
      .x = tensor({s.samples, s.in, s.height, s.width}, 1),
      .gates = tensor({s.is_shared ? 1 : s.samples, s.sources}, 2).sigmoid(),
      .weight = tensor({s.sources, s.out, s.in / s.options.groups, s.kernel, s.kernel}, 3),
      .align = {},
      .bias = {},
      .options = s.options};
  if (s.has_align) it.align = tensor({s.sources * s.out, s.out, 1, 1}, 4);
  if (s.has_bias) it.bias = tensor({s.sources, s.out}, 5);
  return it;
}

at::Tensor plain(const AggregatedConv& it) {
  return aggregated_conv2d_plain(it.x, it.gates, it.weight, it.align, it.bias, it.options);
}

at::Tensor ours(const AggregatedConv& it) {
  return aggregated_conv2d(it.x, it.gates, it.weight, it.align, it.bias, it.options);
}

std::vector<AggregatedForm> forms(const AggregatedConv& it) {
  if (it.options.groups > 1) return {AggregatedForm::kKernels};
  return {AggregatedForm::kKernels, AggregatedForm::kOutputs};
}

std::vector<at::Tensor*> arguments(AggregatedConv& it) {
  return {&it.x, &it.gates, &it.weight, &it.align, &it.bias};
}

/// Gradients by the five arguments as autograd takes them through the plain twin.
AggregatedGradients plain_gradients(AggregatedConv it, const at::Tensor& d_y) {
  std::vector<at::Tensor> wanted;
  for (at::Tensor* tensor : arguments(it)) {
    if (!tensor->defined()) continue;
    *tensor = tensor->detach().requires_grad_();
    wanted.push_back(*tensor);
  }
  const auto found = torch::autograd::grad({plain(it)}, wanted, {d_y});
  AggregatedGradients d;
  size_t next = 0;
  for (size_t i = 0; i < d.size(); ++i) {
    if (arguments(it)[i]->defined()) d[i] = found[next++];
  }
  return d;
}

TEST(AggregatedConv2d, both_forms_are_the_plain_twin) {
  for (size_t i = 0; i < shapes().size(); ++i) {
    const AggregatedConv it = problem(shapes()[i]);
    const at::Tensor expected = plain(it);
    for (const AggregatedForm form : forms(it)) {
      const AggregatedKept kept = aggregate(it, form, /*keep=*/true);
      EXPECT_LT(largest(kept.y - expected), 1e-12 * largest(expected)) << i;
      const at::Tensor d_y = draw(expected.sizes(), 9);
      const AggregatedGradients d = aggregate_backward(it, form, d_y, kept.saved,
                                                       {true, true, true, true, true}),
                                wanted = plain_gradients(it, d_y);
      for (size_t j = 0; j < d.size(); ++j) {
        ASSERT_EQ(d[j].defined(), wanted[j].defined()) << i << " " << j;
        if (!d[j].defined()) continue;
        ASSERT_EQ(d[j].sizes(), wanted[j].sizes()) << i << " " << j;
        EXPECT_LT(largest(d[j] - wanted[j]), 1e-12 * largest(wanted[j])) << i << " " << j;
      }
    }
  }
}

TEST(AggregatedConv2d, the_operator_differentiates_what_asks_for_it) {
  AggregatedConv it = problem(shapes()[4]);
  const at::Tensor d_y = draw(plain(it).sizes(), 9);
  const AggregatedGradients wanted = plain_gradients(it, d_y);
  for (const size_t alone : {0, 1, 2, 3, 4}) {
    AggregatedConv now = it;
    at::Tensor& tensor = *arguments(now)[alone];
    tensor = tensor.detach().requires_grad_();
    const auto d = torch::autograd::grad({ours(now)}, {tensor}, {d_y});
    EXPECT_LT(largest(d[0] - wanted[alone]), 1e-12 * largest(wanted[alone])) << alone;
  }
}

TEST(AggregatedConv2d, a_second_derivative_is_the_plain_twins) {
  for (const size_t i : {0UL, 2UL}) {
    const auto penalty = [&](bool is_plain) {
      AggregatedConv it = problem(shapes()[i]);
      it.x.requires_grad_();
      it.weight.requires_grad_();
      const at::Tensor y = is_plain ? plain(it) : ours(it);
      const auto d = torch::autograd::grad({y.pow(2).sum()}, {it.x}, {}, {}, true);
      return torch::autograd::grad({d[0].pow(2).sum()}, {it.weight})[0];
    };
    const at::Tensor expected = penalty(true);
    EXPECT_LT(largest(penalty(false) - expected), 1e-11 * largest(expected)) << i;
  }
}

TEST(AggregatedConv2d, float_errs_at_most_twice_as_much_as_the_plain_twin) {
  const std::vector<Shape> large = {{2, 32, 48, 3, 9, 9, 5, {.padding = 1}},
                                    {3, 64, 40, 1, 6, 6, 5, {}, false}};
  for (const Shape& shape : large) {
    const AggregatedConv exact = problem(shape);
    AggregatedConv rounded = exact;
    for (at::Tensor* tensor : arguments(rounded)) {
      if (tensor->defined()) *tensor = tensor->to(at::kFloat);
    }
    const at::Tensor truth = plain(exact), d_y = draw(truth.sizes(), 9);
    const double floor = 1e-6 * largest(truth);
    const double allowed = 2 * largest(plain(rounded) - truth) + floor;
    const AggregatedGradients wanted = plain_gradients(exact, d_y),
                              theirs = plain_gradients(rounded, d_y.to(at::kFloat));
    for (const AggregatedForm form : forms(exact)) {
      const AggregatedKept kept = aggregate(rounded, form, /*keep=*/true);
      EXPECT_LT(largest(kept.y - truth), allowed);
      const AggregatedGradients d = aggregate_backward(rounded, form, d_y.to(at::kFloat),
                                                       kept.saved, {true, true, true, true, true});
      for (size_t j = 0; j < d.size(); ++j) {
        if (!d[j].defined()) continue;
        EXPECT_LT(largest(d[j] - wanted[j]),
                  3 * largest(theirs[j] - wanted[j]) + 1e-6 * largest(wanted[j]))
            << j;
      }
    }
  }
}

TEST(AggregatedConv2d, blocks_of_kernels_are_summed_apart) {
  // Kernels of 1.2 MiB: four samples in three blocks.
  const AggregatedConv it = problem({4, 64, 256, 3, 4, 4, 2, {.padding = 1}, false});
  const at::Tensor expected = plain(it), d_y = draw(expected.sizes(), 9);
  const AggregatedKept kept = aggregate(it, AggregatedForm::kKernels, /*keep=*/true);
  EXPECT_LT(largest(kept.y - expected), 1e-12 * largest(expected));
  const AggregatedGradients d = aggregate_backward(it, AggregatedForm::kKernels, d_y, kept.saved,
                                                   {true, true, true, false, false}),
                            wanted = plain_gradients(it, d_y);
  for (size_t j = 0; j < 3; ++j) {
    EXPECT_LT(largest(d[j] - wanted[j]), 1e-12 * largest(wanted[j])) << j;
  }
}

TEST(AggregatedConv2d, few_positions_meet_every_source_and_many_one_kernel) {
  EXPECT_EQ(form_of(problem({2, 512, 512, 3, 2, 2, 5, {.padding = 1}}), true),
            AggregatedForm::kOutputs);
  EXPECT_EQ(form_of(problem({8, 64, 64, 3, 28, 28, 5, {.padding = 1}}), true),
            AggregatedForm::kKernels);
  EXPECT_EQ(form_of(problem({2, 64, 64, 3, 2, 2, 5, {.padding = 1, .groups = 2}}), true),
            AggregatedForm::kKernels);
}

TEST(AggregatedConv2d, reads_strided_arguments) {
  AggregatedConv it = problem(shapes()[0]);
  const at::Tensor expected = plain(it);
  it.x = it.x.transpose(2, 3).contiguous().transpose(2, 3);
  it.gates = it.gates.t().contiguous().t();
  EXPECT_LT(largest(ours(it) - expected), 1e-12 * largest(expected));
  it.x = it.x.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_LT(largest(ours(it) - expected), 1e-12 * largest(expected));
}

TEST(AggregatedConv2d, says_what_does_not_fit) {
  const auto id_of = [](const std::function<void(AggregatedConv&)>& spoil) -> std::string {
    AggregatedConv it = problem(shapes()[4]);
    spoil(it);
    try {
      ours(it);
    } catch (const InvalidArgument& error) {
      return error.id();
    }
    return "none";
  };
  EXPECT_EQ(id_of([](AggregatedConv&) {}), "none");
  EXPECT_EQ(id_of([](auto& it) { it.x = it.x.narrow(1, 0, 3); }), "T-AGG-01");
  EXPECT_EQ(id_of([](auto& it) { it.x = it.x.narrow(0, 0, 0); }), "T-AGG-01");
  EXPECT_EQ(id_of([](auto& it) { it.x = it.x.narrow(2, 0, 1).narrow(3, 0, 1); }), "none");
  EXPECT_EQ(id_of([](auto& it) { it.options.dilation = 9; }), "T-AGG-01");
  EXPECT_EQ(id_of([](auto& it) { it.gates = it.gates.expand({3, 3}); }), "T-AGG-01");
  EXPECT_EQ(id_of([](auto& it) { it.weight = it.weight[0]; }), "T-AGG-01");
  EXPECT_EQ(id_of([](auto& it) { it.align = it.align.narrow(0, 0, 6); }), "T-AGG-01");
  EXPECT_EQ(id_of([](auto& it) { it.bias = it.bias[0]; }), "T-AGG-01");
  EXPECT_EQ(id_of([](auto& it) { it.options.stride = 0; }), "T-AGG-02");
  EXPECT_EQ(id_of([](auto& it) { it.gates = it.gates.to(at::kFloat); }), "T-AGG-03");
}

}  // namespace
}  // namespace tessera::ops
