#include "tessera/ops/if_neuron.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "tessera/core/error.h"

namespace tessera::ops {
namespace {

at::Tensor normal(at::IntArrayRef sizes, at::ScalarType dtype = at::kDouble) {
  static auto generator = at::detail::createCPUGenerator(11);
  return torch::randn(sizes, generator, at::kDouble).to(dtype);
}

void expect_equal(const IfNeuronResult& ours, const IfNeuronResult& plain) {
  EXPECT_TRUE(at::equal(ours.spikes, plain.spikes));
  ASSERT_EQ(ours.membranes.defined(), plain.membranes.defined());
  if (!plain.membranes.defined()) return;
  EXPECT_TRUE(at::equal(ours.membranes, plain.membranes));
}

TEST(IfNeuron, equals_the_plain_twin_bit_by_bit) {
  const std::vector<std::vector<int64_t>> samples = {{3, 1, 1}, {5, 7, 6}, {16, 9, 11}, {70}};
  for (const auto dtype : {at::kDouble, at::kFloat}) {
    for (const auto& sample : samples) {
      for (const bool by_channel : {false, true}) {
        for (const bool starts : {false, true}) {
          for (const IfNeuronOptions& options :
               {IfNeuronOptions{.steps = 6, .shift_steps = 6},
                IfNeuronOptions{.steps = 6, .shift_steps = 4, .keeps_membranes = true},
                IfNeuronOptions{.steps = 5, .is_constant = true, .keeps_membranes = true},
                IfNeuronOptions{.steps = 6, .shift_steps = 6, .sums = true}}) {
            std::vector<int64_t> sizes = sample;
            sizes.insert(sizes.begin(), options.is_constant ? 2 : 2 * options.steps);
            std::vector<int64_t> one = sample, channel(sample.size(), 1);
            one.insert(one.begin(), 1);
            channel[0] = sample[0];
            channel.insert(channel.begin(), 1);
            const at::Tensor z = normal(sizes, dtype);
            const at::Tensor V =
                by_channel ? normal(channel, dtype).abs() + 0.1 : at::scalar_tensor(0.7, dtype);
            const at::Tensor v0 = starts ? normal(one, dtype) : at::Tensor();
            expect_equal(if_neuron(z, V, v0, options), if_neuron_plain(z, V, v0, options));
          }
        }
      }
    }
  }
}

TEST(IfNeuron, marks_and_residuals_equal_the_plain_twin_bit_by_bit) {
  for (const auto dtype : {at::kDouble, at::kFloat}) {
    for (const std::vector<int64_t>& sample :
         std::vector<std::vector<int64_t>>{{3, 1, 1}, {16, 9, 11}, {70}}) {
      std::vector<int64_t> sizes = sample, channel(sample.size() + 1, 1);
      sizes.insert(sizes.begin(), 2 * 6);
      channel[1] = sample[0];
      const at::Tensor z = normal(sizes, dtype), one = at::scalar_tensor(0.7, dtype),
                       each = normal(channel, dtype).abs() + 0.1;
      const std::vector<IfNeuronResidual> residuals = {{},
                                                       {normal(sizes, dtype), {}},
                                                       {normal(sizes).gt(0.5), one},
                                                       {normal(sizes).gt(0.5), each}};
      for (const IfNeuronResidual& residual : residuals) {
        for (const at::Tensor& V : {one, each}) {
          for (const bool marks : {true, false}) {
            const IfNeuronOptions options{
                .steps = 6, .shift_steps = 6, .keeps_membranes = true, .marks = marks};
            const auto ours = if_neuron(z, V, {}, options, residual);
            EXPECT_EQ(ours.spikes.scalar_type(), marks ? at::kBool : dtype);
            expect_equal(ours, if_neuron_plain(z, V, {}, options, residual));
          }
        }
      }
      const IfNeuronOptions sums{.steps = 6, .sums = true};
      expect_equal(if_neuron(z, one, {}, sums, residuals[2]),
                   if_neuron_plain(z, one, {}, sums, residuals[2]));
    }
  }
}

TEST(IfNeuron, a_mark_stands_for_the_threshold_and_a_residual_may_lie_otherwise) {
  const at::Tensor z = normal({8, 6, 5, 4}).contiguous(at::MemoryFormat::ChannelsLast),
                   V = normal({1, 6, 1, 1}).abs() + 0.1, r = normal({8, 6, 5, 4}).gt(0.3);
  const IfNeuronOptions options{.steps = 4}, marks{.steps = 4, .marks = true};
  const at::Tensor spikes = if_neuron(z, V, {}, options, {r, V}).spikes;
  EXPECT_TRUE(
      at::equal(at::where(if_neuron(z, V, {}, marks, {r, V}).spikes, V, at::Scalar(0)), spikes));
  EXPECT_TRUE(
      at::equal(if_neuron(z + at::where(r, V, at::Scalar(0)), V, {}, options).spikes, spikes));
}

TEST(IfNeuron, keeps_channels_last) {
  const at::Tensor z = normal({8, 6, 5, 4}), v0 = normal({1, 6, 5, 4}),
                   V = normal({1, 6, 1, 1}).abs() + 0.1;
  const IfNeuronOptions options{.steps = 4, .shift_steps = 4, .keeps_membranes = true};
  const auto last = if_neuron(z.contiguous(at::MemoryFormat::ChannelsLast), V, v0, options);
  EXPECT_TRUE(last.spikes.is_contiguous(at::MemoryFormat::ChannelsLast));
  expect_equal(last, if_neuron_plain(z, V, v0, options));
}

TEST(IfNeuron, counts_are_the_rounded_current) {
  // Invariant 2: a constant current, no initial membrane, with the shift.
  constexpr int64_t kSteps = 8;
  const double V = 1.5;
  const at::Tensor z = at::linspace(-0.4, 1.5, 997, at::kDouble).view({1, -1});
  const at::Tensor sum =
      if_neuron(z, at::scalar_tensor(V, at::kDouble), {},
                {.steps = kSteps, .shift_steps = kSteps, .is_constant = true, .sums = true})
          .spikes;
  const at::Tensor exact = z * (kSteps / V) + 0.5;
  const at::Tensor count = exact.floor().clamp(0, kSteps);
  const at::Tensor is_clear = (exact - exact.round()).abs().gt(1e-9);
  EXPECT_TRUE(
      at::allclose(sum.masked_select(is_clear), (count * V).masked_select(is_clear), 1e-12));
}

TEST(IfNeuron, conserves_what_flows_in) {
  // Invariant 3: v_T = v_0 + Σ (z + V/2T) − Σ s;  4: every output is 0 or V.
  constexpr int64_t kSteps = 9;
  const at::Tensor z = normal({kSteps * 3, 4, 5, 2}), v0 = normal({1, 4, 5, 2});
  const at::Tensor V = at::scalar_tensor(0.8, at::kDouble);
  const auto result =
      if_neuron(z, V, v0, {.steps = kSteps, .shift_steps = kSteps, .keeps_membranes = true});
  const auto by_step = [](const at::Tensor& all) { return all.unflatten(0, {kSteps, 3}); };
  const at::Tensor flown = v0 + by_step(z).sum(0) + 0.4 - by_step(result.spikes).sum(0);
  EXPECT_TRUE(at::allclose(by_step(result.membranes)[kSteps - 1], flown, 0, 1e-12));
  EXPECT_TRUE((result.spikes.eq(0) | result.spikes.eq(V)).all().item<bool>());
  EXPECT_GT(result.spikes.count_nonzero().item<int64_t>(), 0);
}

TEST(IfNeuron, a_membrane_at_the_threshold_fires_and_a_dead_channel_emits_nothing) {
  const at::Tensor z = at::full({1, 1}, 0.5, at::kDouble);
  const IfNeuronOptions options{.steps = 4, .is_constant = true, .sums = true};
  EXPECT_EQ(if_neuron(z, at::scalar_tensor(0.5, at::kDouble), {}, options).spikes.item<double>(),
            2.0);
  EXPECT_EQ(if_neuron(z, at::scalar_tensor(0.0, at::kDouble), {}, options).spikes.item<double>(),
            0.0);
}

TEST(IfNeuron, has_no_gradient_and_a_shape_rule) {
  const at::Tensor z = normal({6, 4, 3, 3}).requires_grad_();
  const at::Tensor V = at::ones({}, at::kDouble);
  EXPECT_FALSE(if_neuron(z, V, {}, {.steps = 3}).spikes.requires_grad());
  const at::Tensor meta = at::empty({6, 4, 3, 3}, at::TensorOptions().device(at::kMeta));
  const at::Tensor V_meta = at::empty({}, meta.options());
  EXPECT_EQ(if_neuron(meta, V_meta, {}, {.steps = 3, .sums = true}).spikes.size(0), 2);
  EXPECT_EQ(if_neuron(meta, V_meta, {}, {.steps = 3, .marks = true}).spikes.scalar_type(),
            at::kBool);
  EXPECT_EQ(if_neuron(meta, V_meta, {}, {.steps = 3, .keeps_membranes = true}).membranes.sizes(),
            meta.sizes());
}

TEST(IfNeuron, refuses_what_does_not_fit) {
  const at::Tensor z = normal({6, 4}), V = at::ones({}, at::kDouble);
  EXPECT_THROW(if_neuron(z, V, {}, {.steps = 4}), InvalidArgument);
  EXPECT_THROW(if_neuron(z, V, {}, {.steps = 0}), InvalidArgument);
  EXPECT_THROW(if_neuron(z, V, normal({1, 3}), {.steps = 3}), InvalidArgument);
  EXPECT_THROW(if_neuron(z, normal({1, 3}), {}, {.steps = 3}), InvalidArgument);
  EXPECT_THROW(if_neuron(z, V.to(at::kFloat), {}, {.steps = 3}), InvalidArgument);
  EXPECT_THROW(if_neuron(z.to(at::kLong), V, {}, {.steps = 3}), InvalidArgument);
  EXPECT_THROW(if_neuron(z, V, {}, {.steps = 3, .sums = true, .marks = true}), InvalidArgument);
  const auto residual = [&](const at::Tensor& values, const at::Tensor& scale) {
    return if_neuron(z, V, {}, {.steps = 3}, {values, scale});
  };
  EXPECT_THROW(residual(normal({6, 3}), {}), InvalidArgument);
  EXPECT_THROW(residual(z.to(at::kFloat), {}), InvalidArgument);
  EXPECT_THROW(residual(z.gt(0), {}), InvalidArgument);
  EXPECT_THROW(residual(z.gt(0), normal({1, 3})), InvalidArgument);
  EXPECT_THROW(residual(z, V), InvalidArgument);
  EXPECT_THROW(if_neuron(z, V, {}, {.steps = 3, .is_constant = true}, {z, {}}), InvalidArgument);
}

}  // namespace
}  // namespace tessera::ops
