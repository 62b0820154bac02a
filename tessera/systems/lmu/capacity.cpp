#include "tessera/systems/lmu/capacity.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "tessera/data/reference_random.h"
#include "tessera/systems/lmu/state_space.h"
#include "tessera/systems/task_extras.h"

namespace tessera::lmu {
namespace {

/// A period of noise without parts above `cycles`, its largest value 1, begun where it is nearest
/// to 0: models start from an empty memory.
at::Tensor band_limited_noise(int64_t length, int64_t cycles, data::NumpyRandom& random) {
  const at::Tensor spectrum = at::zeros({length / 2 + 1}, at::kComplexDouble);
  const int64_t highest = std::min(cycles, length / 2);
  for (int64_t k = 1; k <= highest; ++k) {
    const double real = random.normal(), imaginary = random.normal();
    spectrum[k] = c10::complex<double>(real, imaginary);
  }
  const at::Tensor noise = at::fft_irfft(spectrum, length);
  const int64_t start = noise.abs().argmin().item<int64_t>();
  return noise.roll({-start}, {0}) / noise.abs().max();
}

class CapacityTask final : public Task, public InitialWeights {
 public:
  CapacityTask(const CapacityConfig& config, const TaskContext& context)
      : config_(config), dtype_(context.dtype) {
    const Capacity all = capacity(config);
    const int64_t half = config.num_samples / 2, train = half - half / 5;
    const std::array<std::pair<int64_t, int64_t>, 3> ranges = {
        {{0, train}, {train, half}, {half, config.num_samples}}};
    for (size_t i = 0; i < ranges.size(); ++i) {
      const auto [begin, end] = ranges[i];
      x_[i] = all.x.narrow(0, begin, end - begin).to(dtype_).contiguous();
      y_[i] = all.y.narrow(0, begin, end - begin).to(dtype_).contiguous();
    }
  }

  int64_t size(Split split) const override { return x_[static_cast<size_t>(split)].size(0); }

  TensorMap batch(std::span<const int64_t> examples, BatchContext& context) const override {
    const at::Tensor index = at::empty({std::ssize(examples)}, at::kLong);
    std::ranges::copy(examples, index.mutable_data_ptr<int64_t>());
    const auto split = static_cast<size_t>(context.split);
    return {{"x", x_[split].index_select(0, index)}, {"target", y_[split].index_select(0, index)}};
  }

  at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const override {
    return at::mse_loss(prediction_of(outputs), batch.at("target"));
  }

  void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const override {
    const at::Tensor& y = batch.at("target");
    const auto weight = static_cast<double>(y.size(0));
    const int64_t filled = config_.window, rest = y.size(1) - filled;
    const at::Tensor error = (prediction_of(outputs) - y).square().narrow(1, filled, rest);
    tally.add("loss", loss(outputs, batch).item<double>(), weight);
    tally.add("mse", error.mean().item<double>(), weight);
    for (int64_t i = 0; i < config_.outputs; ++i) {
      const int64_t percent = 100 * i / std::max<int64_t>(config_.outputs - 1, 1);
      tally.add("mse_" + std::to_string(percent), error.select(2, i).mean().item<double>(), weight);
    }
  }

  TensorMap initial_weights() const override {
    if (config_.decoder_order == 0) return {};
    const at::Tensor fractions = at::linspace(0, 1, config_.outputs, at::kDouble);
    return {{"classifier.weight", legendre_decoder(fractions, config_.decoder_order).to(dtype_)},
            {"classifier.bias", at::zeros({config_.outputs}, dtype_)}};
  }

 private:
  /// Baselines name it as classifiers do.
  static const at::Tensor& prediction_of(const TensorMap& outputs) {
    const at::Tensor* prediction = outputs.find("prediction");
    return prediction ? *prediction : outputs.at("logits");
  }

  CapacityConfig config_;
  at::ScalarType dtype_;
  std::array<at::Tensor, 3> x_, y_;
};

}  // namespace

void CapacityConfig::fields(FieldList& list) {
  list("window", window, {.help = "the longest delay", .unit = "steps", .min = 1, .max = 1e6});
  list("outputs", outputs, {.help = "delays, in equal parts of the window", .min = 1, .max = 1000});
  list("frequency", frequency,
       {.help = "highest frequency of the noise",
        .unit = "cycles a window",
        .min = 0,
        .min_exclusive = true});
  list("length_factor", length_factor,
       {.help = "length of a sequence", .unit = "windows", .min = 1, .min_exclusive = true});
  list("num_samples", num_samples, {.help = "sequences", .min = 10, .max = 1e6});
  list("decoder_order", decoder_order,
       {.help = "order of the model whose read-out begins as the decoder of Legendre polynomials; "
                "0: as the model begins",
        .min = 0,
        .max = 4096});
  list("seed", seed, {.help = "of the noise", .min = 0, .max = 4294967295});
}

int64_t CapacityConfig::length() const {
  // At least one step that is measured.
  const auto steps = static_cast<int64_t>(length_factor * static_cast<double>(window) + 1e-7);
  return std::max(steps, window + 1);
}

std::vector<int64_t> CapacityConfig::delays() const {
  std::vector<int64_t> delays;
  for (int64_t i = 0; i < outputs; ++i) {
    delays.push_back(outputs == 1 ? 0 : window * i / (outputs - 1));
  }
  return delays;
}

Capacity capacity(const CapacityConfig& config) {
  const int64_t length = config.length();
  const auto cycles = static_cast<int64_t>(config.frequency * static_cast<double>(length) /
                                           static_cast<double>(config.window));
  data::NumpyRandom random(static_cast<uint32_t>(config.seed));
  Capacity result{.x = at::empty({config.num_samples, length, 1}, at::kDouble),
                  .y = at::zeros({config.num_samples, length, config.outputs}, at::kDouble)};
  const std::vector<int64_t> delays = config.delays();
  for (int64_t sample = 0; sample < config.num_samples; ++sample) {
    const at::Tensor noise = band_limited_noise(length, std::max<int64_t>(cycles, 1), random);
    result.x[sample].select(1, 0).copy_(noise);
    for (size_t i = 0; i < delays.size(); ++i) {
      result.y[sample]
          .select(1, static_cast<int64_t>(i))
          .narrow(0, delays[i], length - delays[i])
          .copy_(noise.narrow(0, 0, length - delays[i]));
    }
  }
  return result;
}

TaskFactory capacity_task() {
  return task_factory<CapacityConfig>("capacity", "a noise repeated after several delays",
                                      [](const CapacityConfig& config, const TaskContext& context) {
                                        return std::make_unique<CapacityTask>(config, context);
                                      });
}

}  // namespace tessera::lmu
