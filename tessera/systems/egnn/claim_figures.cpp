#include "tessera/systems/egnn/claim_figures.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>

#include <cmath>

#include "tessera/data/reference_random.h"
#include "tessera/systems/egnn/simulator.h"

namespace tessera::egnn {
namespace {

Json column(const at::Tensor& values, int64_t axis) {
  const at::Tensor flat = values.select(1, axis).to(at::kDouble).contiguous();
  const double* first = flat.const_data_ptr<double>();
  return Json(std::vector<double>(first, first + flat.numel()));
}

// A series of points of a (count, 3) tensor.
Json points(const std::string& name, const std::string& group, int color, const at::Tensor& x_n3) {
  return {{"name", name},         {"group", group},       {"color", color}, {"x", column(x_n3, 0)},
          {"y", column(x_n3, 1)}, {"z", column(x_n3, 2)}, {"markers", true}};
}

// The true paths between the task's two moments, as a line for each particle, in the order of the
// test split. Simulated again from the data set's own random stream, only with more frames.
class TruePaths {
 public:
  TruePaths() : random_(kSeed) {
    fine_.sample_every = kStride;
    const Simulator usual(SimulatorConfig{});
    for (int64_t i = 0; i < kTrainSystems + kValidSystems; ++i) usual.skip(random_);
  }

  Json next(const std::string& group) {
    const Start start = Simulator(SimulatorConfig{}).draw(random_);
    const Trajectory path = Simulator(fine_).run(start);
    const auto n = static_cast<size_t>(fine_.num_particles);
    Json x = Json::array(), y = Json::array(), z = Json::array();
    for (size_t particle = 0; particle < n; ++particle) {
      for (size_t frame = kFirstStep / kStride - 1; frame <= kLastStep / kStride - 1; ++frame) {
        const double* loc = &path.loc[frame * 3 * n];
        x.push_back(loc[particle]);
        y.push_back(loc[n + particle]);
        z.push_back(loc[2 * n + particle]);
      }
      for (Json* axis : {&x, &y, &z}) axis->push_back(nullptr);
    }
    return {{"name", "true path"},
            {"group", group},
            {"color", kTruthColor},
            {"x", x},
            {"y", y},
            {"z", z}};
  }

 private:
  // nbody_small: spec of the data set, and frames 30 and 40 of one in 100 steps.
  static constexpr uint32_t kSeed = 43;
  static constexpr int64_t kTrainSystems = 10000, kValidSystems = 2000;
  static constexpr size_t kFirstStep = 3100, kLastStep = 4100, kStride = 50;

  data::NumpyRandom random_;
  SimulatorConfig fine_;
};

}  // namespace

Figure trajectories_figure(const std::vector<std::pair<Contestant, TrainOutcome>>& trainings,
                           int64_t count) {
  const at::NoGradGuard no_grad;
  TruePaths paths;
  Json all = Json::array();
  for (int64_t i = 0; i < count; ++i) {
    const std::string group = fmt::format("test system {}", i + 1);
    all.push_back(paths.next(group));
    bool is_first = true;
    for (const auto& [contestant, outcome] : trainings) {
      const TensorMap batch = test_batch(*outcome.task, {i});
      if (std::exchange(is_first, false)) {
        all.push_back(points("true end", group, kTruthColor, batch.at("target")));
      }
      all.push_back(
          points(contestant.name, group, contestant.color, outcome.model->run(batch).at("x")));
    }
  }
  return {"Where the particles go",
          "The first systems of the test split. Lines are the true paths over the 1000 simulated "
          "steps to be predicted; points are the true ends, and where each model says they are.",
          {{"kind", "lines3d"}, {"series", all}}};
}

Figure adjacency_figure(const std::vector<std::pair<Contestant, TrainOutcome>>& trainings,
                        int64_t num_graphs,
                        const std::vector<std::pair<std::string, int64_t>>& graphs) {
  const at::NoGradGuard no_grad;
  const auto matrix = [](const at::Tensor& values) {
    Json rows = Json::array();
    for (int64_t i = 0; i < values.size(0); ++i) {
      const at::Tensor row = values[i].to(at::kDouble).contiguous();
      const double* first = row.const_data_ptr<double>();
      rows.push_back(std::vector<double>(first, first + row.numel()));
    }
    return rows;
  };
  Json all = Json::array();
  for (const auto& [name, graph] : graphs) {
    bool is_first = true;
    for (const auto& [contestant, outcome] : trainings) {
      const int64_t draws = outcome.task->size(Split::kTest) / num_graphs;
      const TensorMap batch = test_batch(*outcome.task, {graph * draws});
      if (std::exchange(is_first, false)) {
        all.push_back({{"name", "True graph"}, {"group", name}, {"z", matrix(batch.at("target"))}});
      }
      all.push_back({{"name", contestant.name},
                     {"group", name},
                     {"z", matrix(outcome.model->run(batch).at("adj_pred"))}});
    }
  }
  return {"Edges, true and decoded",
          "Adjacency matrices of test graphs beside each model’s probability of every edge: white "
          "is 0, full colour is 1.",
          {{"kind", "heatmap"}, {"series", all}}};
}

}  // namespace tessera::egnn
