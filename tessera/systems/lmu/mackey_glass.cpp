#include "tessera/systems/lmu/mackey_glass.h"

#include <ATen/ATen.h>

#include <cmath>
#include <cstdlib>
#include <deque>

#include "tessera/data/reference_random.h"

namespace tessera::lmu {

void MackeyGlassConfig::fields(FieldList& list) {
  list("num_samples", num_samples, {.help = "series", .min = 1, .max = 100000});
  list("length", length, {.help = "length of a series", .unit = "steps", .min = 1, .max = 1e7});
  list("tau", tau, {.help = "delay of the equation", .min = 0, .min_exclusive = true});
  list("delta_t", delta_t, {.help = "inner steps for one of the series", .min = 1});
  list("predict_len", predict_len,
       {.help = "how far ahead the target lies; negative: back", .unit = "steps"});
  list("washout", washout, {.help = "first values that are dropped", .unit = "steps", .min = 0});
  list("seed", seed, {.help = "of NumPy's legacy stream", .min = 0, .max = 4294967295.0});
  list("center", center, {.help = "subtract the mean over all series"});
}

MackeyGlass mackey_glass(const MackeyGlassConfig& config) {
  const int64_t ahead = std::abs(config.predict_len), kept = config.length + ahead;
  const auto inner_steps = static_cast<double>(config.delta_t);
  const auto delay = static_cast<int64_t>(config.tau * inner_steps);
  data::NumpyRandom random(static_cast<uint32_t>(config.seed));

  at::Tensor series = at::empty({config.num_samples, kept}, at::kDouble);
  auto values = series.accessor<double, 2>();
  double current = 1.2;  // not started anew for each series
  for (int64_t s = 0; s < config.num_samples; ++s) {
    std::deque<double> history(static_cast<size_t>(delay));
    for (double& past : history) past = 1.2 + 0.2 * (random.uniform() - 0.5);
    for (int64_t t = 0; t < config.washout + kept; ++t) {
      for (int64_t i = 0; i < config.delta_t; ++i) {
        const double delayed = history.front();
        history.pop_front();
        history.push_back(current);
        current += (0.2 * delayed / (1.0 + std::pow(delayed, 10)) - 0.1 * current) / inner_steps;
      }
      // Squeezed and shifted into a range that tanh units can follow.
      if (t >= config.washout) values[s][t - config.washout] = std::tanh(current - 1.0);
    }
  }
  if (config.center) series -= series.mean();
  series = series.unsqueeze(2);
  at::Tensor x = series.narrow(1, 0, config.length), y = series.narrow(1, ahead, config.length);
  if (config.predict_len < 0) std::swap(x, y);
  return {x.contiguous(), y.contiguous()};
}

}  // namespace tessera::lmu
