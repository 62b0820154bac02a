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

double step_ms(const WorkloadInstance& instance, int repeats) {
  Model& model = *instance.model;
  const auto optimizer = train::Optimizer::make(instance.optimizer, model);
  const TensorMap& inputs = instance.train_inputs.empty() ? instance.inputs : instance.train_inputs;
  model.train();
  return median_ms(repeats, [&] {
    optimizer->zero_grad();
    instance.loss(model.run(inputs), inputs).backward();
    optimizer->step();
  });
}

}  // namespace

Json time_workload(const System& system, const Workload& workload, const WorkloadVariant* variant,
                   int repeats) {
  const WorkloadInstance instance = variant ? variant->make() : workload.make();
  Model& model = *instance.model;

  model.eval();
  const double forward = median_ms(repeats, [&] {
    const torch::NoGradGuard no_grad;
    model.run(instance.inputs);
  });
  const Json step = instance.loss ? Json(rounded(step_ms(instance, repeats), 1e-4)) : Json();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  Json row = {{"system", system.name},
              {"workload", workload.name},
              {"impl", variant ? "tessera-" + variant->name : "tessera"},
              {"threads", threads()},
              {"forward_ms", rounded(forward, 1e-4)},
              {"train_step_ms", step},
              {"peak_rss_mb", rounded(static_cast<double>(usage.ru_maxrss) / 1024, 0.1)},
              {"torch", TORCH_VERSION}};
  row.update(instance.remarks);
  return row;
}

}  // namespace tessera::bench
