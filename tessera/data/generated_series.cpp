#include "tessera/data/generated_series.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <numbers>

#include "tessera/core/error.h"

namespace tessera::data {
namespace {

constexpr int64_t kWormChannels = 6, kWormClasses = 5;
constexpr double kPulseStepsPerSecond = 125;
constexpr double kTurn = 2 * std::numbers::pi;

at::Generator generator_of(uint64_t seed) { return at::make_generator<at::CPUGeneratorImpl>(seed); }

SeriesSet empty_set(int64_t size, int64_t steps, int64_t channels) {
  return {.values = at::empty({size, steps, channels}, at::kFloat),
          .lengths = at::full({size}, steps, at::kLong)};
}

}  // namespace

SeriesSet generated_worms(int64_t size, int64_t steps, uint64_t seed) {
  const at::Generator generator = generator_of(seed);
  SeriesSet set = empty_set(size, steps, kWormChannels);
  set.labels = at::arange(size, at::kLong).remainder(kWormClasses);
  for (int64_t c = 0; c < kWormClasses; ++c) set.class_names.push_back(std::to_string(c + 1));
  const at::Tensor t_T1 = at::arange(steps, at::kFloat).unsqueeze(1);
  const at::Tensor channel_F = at::arange(kWormChannels, at::kFloat);
  for (int64_t n = 0; n < size; ++n) {
    const auto label = static_cast<double>(n % kWormClasses);
    const at::Tensor random = at::rand({2}, generator, at::kFloat);
    const double period = 40 * std::pow(1.5, label) * (1 + 0.05 * random[0].item<double>());
    const at::Tensor phase_F =
        channel_F.mul(kTurn * (label + 1) / 12).add(kTurn * random[1].item<double>());
    const at::Tensor mean_F = channel_F.sub(label).abs().neg().exp().mul(0.5);
    const at::Tensor noise_TF = at::randn({steps, kWormChannels}, generator, at::kFloat);
    set.values[n].copy_(
        at::sin(t_T1 * (kTurn / period) + phase_F).add_(mean_F).add_(noise_TF, 0.3));
  }
  return set;
}

SeriesSet generated_pulses(const std::string& quantity, int64_t size, int64_t steps,
                           uint64_t seed) {
  if (quantity != "rr" && quantity != "hr" && quantity != "spo2") {
    fail<InvalidArgument>({.where = "series",
                           .rule = "BIDMC has the quantities rr, hr and spo2",
                           .got = "\"" + quantity + "\"",
                           .id = "T-SER-09"});
  }
  const at::Generator generator = generator_of(seed);
  SeriesSet set = empty_set(size, steps, 2);
  set.targets = at::empty({size}, at::kDouble);
  const at::Tensor seconds_T = at::arange(steps, at::kFloat).div_(kPulseStepsPerSecond);
  for (int64_t n = 0; n < size; ++n) {
    const at::Tensor random = at::rand({5}, generator, at::kDouble);
    const auto draw = [&](int64_t i, double low, double high) {
      return low + (high - low) * random[i].item<double>();
    };
    const double rr = draw(0, 8, 30), hr = draw(1, 50, 110), spo2 = draw(2, 90, 100);
    const at::Tensor breath_T = at::sin(seconds_T * (kTurn * rr / 60) + draw(3, 0, kTurn));
    const at::Tensor beat_T = seconds_T * (kTurn * hr / 60) + draw(4, 0, kTurn);
    const double height = 0.5 + (100 - spo2) / 10;
    const at::Tensor wave_T = (beat_T.sin() + 0.4 * (2 * beat_T).sin()) * height;
    const at::Tensor spikes_T = at::exp(60 * (at::cos(beat_T + 0.8) - 1));
    const at::Tensor clean_T2 =
        at::stack({wave_T * (1 + 0.3 * breath_T), spikes_T + 0.3 * breath_T}, 1);
    set.values[n].copy_(clean_T2.add(at::randn({steps, 2}, generator, at::kFloat), 0.05));
    set.targets[n] = quantity == "rr" ? rr : quantity == "hr" ? hr : spo2;
  }
  return set;
}

}  // namespace tessera::data
