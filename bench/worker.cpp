#include "bench/worker.h"

#include <sys/resource.h>
#include <torch/types.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <cmath>

#include "tessera/core/threads.h"
#include "tessera/train/optimizer.h"

namespace tessera::bench {
namespace {

template <class F>
double median_ms(int repeats, const F& body) {
  constexpr int kWarmUp = 3;
  for (int i = 0; i < kWarmUp; ++i) body();
  std::vector<double> times;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    body();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    times.push_back(took.count());
  }
  std::sort(times.begin(), times.end());
  const size_t middle = times.size() / 2;
  return times.size() % 2 ? times[middle] : (times[middle - 1] + times[middle]) / 2;
}

double rounded(double value, double unit) { return std::round(value / unit) * unit; }

}  // namespace

Json time_workload(const System& system, const Workload& workload, int repeats) {
  const WorkloadInstance instance = workload.make();
  Model& model = *instance.model;
  train::NamedParameters parameters;
  for (const auto& item : model.named_parameters())
    parameters.emplace_back(item.key(), item.value());
  const auto optimizer = train::Optimizer::make(instance.optimizer, parameters);

  const TensorMap& train_inputs =
      instance.train_inputs.empty() ? instance.inputs : instance.train_inputs;

  model.eval();
  const double forward = median_ms(repeats, [&] {
    const torch::NoGradGuard no_grad;
    model.run(instance.inputs);
  });
  model.train();
  const double step = median_ms(repeats, [&] {
    optimizer->zero_grad();
    instance.loss(model.run(train_inputs), train_inputs).backward();
    optimizer->step();
  });
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return {{"system", system.name},
          {"workload", workload.name},
          {"impl", "tessera"},
          {"threads", threads()},
          {"forward_ms", rounded(forward, 1e-4)},
          {"train_step_ms", rounded(step, 1e-4)},
          {"peak_rss_mb", rounded(static_cast<double>(usage.ru_maxrss) / 1024, 0.1)},
          {"torch", TORCH_VERSION}};
}

}  // namespace tessera::bench
