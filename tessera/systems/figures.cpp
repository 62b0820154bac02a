#include "tessera/systems/figures.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>
#include <numeric>

namespace tessera {

Spread spread_of(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {mean, values.size() > 1 ? std::sqrt(squares / (count - 1)) : 0};
}

Figure curves_figure(std::string title, std::string caption, const std::string& metric,
                     const std::string& y_label,
                     const std::vector<std::pair<Contestant, TrainOutcome>>& trainings,
                     bool is_logarithmic) {
  Json all = Json::array();
  for (const auto& [contestant, outcome] : trainings) {
    Json x = Json::array(), y = Json::array();
    // Runs of thousands of evaluations: a screen shows about this many.
    const size_t every = outcome.history.size() / 800 + 1;
    for (size_t i = 0; i < outcome.history.size(); ++i) {
      if (i % every != 0 && i + 1 != outcome.history.size()) continue;
      x.push_back(outcome.history[i].epoch);
      y.push_back(tessera::metric(outcome.history[i].valid, metric));
    }
    all.push_back({{"name", contestant.name}, {"color", contestant.color}, {"x", x}, {"y", y}});
  }
  return {std::move(title),
          std::move(caption),
          {{"kind", "lines"},
           {"x", {{"label", "epoch"}}},
           {"y", {{"label", y_label}, {"log", is_logarithmic}}},
           {"series", all}}};
}

Figure scaling_figure(std::string title, std::string caption, const std::string& x_label,
                      const std::string& y_label, const std::vector<Measured>& measured) {
  Json all = Json::array();
  for (const Measured& m : measured) {
    Json y = Json::array(), error = Json::array();
    for (const Spread& spread : m.y) {
      y.push_back(spread.mean);
      error.push_back(spread.deviation);
    }
    all.push_back({{"name", m.contestant.name},
                   {"color", m.contestant.color},
                   {"markers", true},
                   {"x", m.x},
                   {"y", y},
                   {"error", error}});
  }
  return {std::move(title),
          std::move(caption),
          {{"kind", "lines"},
           {"x", {{"label", x_label}, {"log", true}}},
           {"y", {{"label", y_label}, {"log", true}}},
           {"series", all}}};
}

Figure bars_figure(std::string title, std::string caption, const std::string& y_label,
                   const std::vector<std::string>& names, const std::vector<Spread>& here,
                   const std::vector<double>& paper) {
  Json y = Json::array(), error = Json::array();
  for (const Spread& spread : here) {
    y.push_back(spread.mean);
    error.push_back(spread.deviation);
  }
  return {std::move(title),
          std::move(caption),
          {{"kind", "bars"},
           {"x", {{"label", ""}}},
           {"y", {{"label", y_label}}},
           {"series",
            {{{"name", "here"}, {"color", 0}, {"x", names}, {"y", y}, {"error", error}},
             {{"name", "paper"}, {"color", kTruthColor}, {"x", names}, {"y", paper}}}}}};
}

TensorMap test_batch(const Task& task, const std::vector<int64_t>& examples) {
  BatchContext context{Split::kTest, at::make_generator<at::CPUGeneratorImpl>(0)};
  return task.batch(examples, context);
}

}  // namespace tessera
