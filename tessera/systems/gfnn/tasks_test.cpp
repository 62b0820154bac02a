#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>

#include "tessera/core/refused_test.h"
#include "tessera/systems/gfnn/claims.h"
#include "tessera/systems/gfnn/gait_task.h"
#include "tessera/systems/gfnn/generators.h"
#include "tessera/systems/gfnn/surfaces_task.h"
#include "tessera/systems/gfnn/test_models.h"

// What the tasks hand to models and how they judge them; the rules of the claims.

namespace tessera::gfnn {
namespace {

using tessera::testing::refused;
using testing::config_of;
using testing::distance;

std::unique_ptr<Task> task_of(const TaskFactory& factory, const Json& values) {
  const auto config = factory.config();
  read_config(*config, values, "task");
  return factory.make(*config, {.data_root = "nowhere", .dtype = at::kDouble});
}

std::unique_ptr<Task> gait_of(Json values = Json::object()) {
  Json all = {{"train_size", 300}, {"valid_size", 20}, {"test_size", 50}};
  all.update(values);
  return task_of(gait_task(), all);
}

TensorMap batch_of(const Task& task, Split split, int64_t count) {
  std::vector<int64_t> examples(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) examples[static_cast<size_t>(i)] = i;
  BatchContext context{split, {}};
  return task.batch(examples, context);
}

Metrics metrics_of(const Task& task, const at::Tensor& y, const TensorMap& batch) {
  Tally tally;
  task.measure({{"y", y}}, batch, tally);
  return task.metrics(tally);
}

/// A model that is a function.
struct Oracle final : Model {
  std::function<at::Tensor(const TensorMap&)> says;
  TensorMap run(const TensorMap& inputs) override { return {{"y", says(inputs)}}; }
};

// ---- Surfaces -----------------------------------------------------------------------------------

TEST(SurfacesTask, points_and_targets_are_those_of_the_surface) {
  for (const std::string& name : surface_names()) {
    const auto task = task_of(surfaces_task(), {{"surface", name}, {"test_size", 400}});
    EXPECT_EQ(task->size(Split::kTrain), 20000);
    const TensorMap batch = batch_of(*task, Split::kTest, 400);
    const at::Tensor& x = batch.at("x");
    EXPECT_TRUE(at::equal(x, batch.at("g")));
    EXPECT_LE(x.abs().max().item<double>(), 1);
    EXPECT_LT(x.min().item<double>(), -0.95);
    const at::Tensor f = surface(name, x.select(1, 0), x.select(1, 1)).unsqueeze(1);
    EXPECT_LT(distance(batch.at("target"), f), 1e-12) << name;
  }
}

TEST(SurfacesTask, the_fine_error_is_that_of_the_small_feature) {
  const auto task = task_of(surfaces_task(), {{"surface", "hill"}, {"test_size", 400}});
  const TensorMap batch = batch_of(*task, Split::kTest, 400);
  const at::Tensor is_fine = (batch.at("x").narrow(1, 0, 1) < -0.25).to(at::kDouble);
  const double share = is_fine.mean().item<double>();
  const Metrics seen = metrics_of(*task, batch.at("target") + 0.5 * is_fine, batch);
  ASSERT_EQ(seen.size(), 3u);
  EXPECT_NEAR(seen[0].second, 0.25 * share, 1e-12);
  EXPECT_NEAR(seen[1].second, 0.5 * std::sqrt(share), 1e-12);
  EXPECT_EQ(seen[2].first, "rmse_fine");
  EXPECT_NEAR(seen[2].second, 0.5, 1e-12);
}

// ---- Gait ---------------------------------------------------------------------------------------

TEST(GaitTask, targets_are_a_standardised_step) {
  const auto owned = gait_of();
  const auto& task = dynamic_cast<const GaitTask&>(*owned);
  const TensorMap batch = batch_of(task, Split::kTrain, 300);
  const at::Tensor &x = batch.at("x"), &target = batch.at("target");
  ASSERT_EQ(x.sizes(), (at::IntArrayRef{300, 10}));
  ASSERT_EQ(target.sizes(), (at::IntArrayRef{300, 11}));
  EXPECT_EQ(task.in_dim(), 10);
  EXPECT_EQ(task.out_dim(), 11);
  EXPECT_LT(target.mean(0).abs().max().item<double>(), 1e-12);
  EXPECT_LT(distance(target.std(0), at::ones({11}, at::kDouble)), 1e-12);
  const at::Tensor phase = batch.at("g").select(1, 0), speed = x.select(1, 8),
                   turn = x.select(1, 9);
  EXPECT_TRUE(at::equal(batch.at("g").select(1, 1), speed));
  const Gait next = gait(phase + 0.2 * (0.3 + speed), speed, turn);
  const at::Tensor step = target * task.deviation() + task.mean();
  EXPECT_LT(distance(x.narrow(1, 0, 8) + step.narrow(1, 0, 8), next.joints), 1e-12);
  EXPECT_LT(distance(step.narrow(1, 8, 3), next.root), 1e-12);
}

TEST(GaitTask, every_architecture_gets_its_coordinates) {
  const auto batch = [](const char* coordinates) {
    return batch_of(*gait_of({{"coordinates", coordinates}}), Split::kTest, 50);
  };
  const TensorMap both = batch("phase_speed"), gate = batch("gate"), inputs = batch("inputs");
  const at::Tensor phase = both.at("g").narrow(1, 0, 1), speed = both.at("g").narrow(1, 1, 1);
  const at::Tensor expected = at::cat({phase.sin(), phase.cos(), speed}, 1);
  EXPECT_LT(distance(batch("phase").at("g"), phase), 1e-15);
  EXPECT_LT(distance(gate.at("g"), expected), 1e-15);
  EXPECT_FALSE(inputs.contains("g"));
  EXPECT_LT(distance(inputs.at("x"), at::cat({both.at("x"), expected}, 1)), 1e-15);
}

TEST(GaitTask, the_roots_error_is_that_of_its_three_columns) {
  const auto task = gait_of();
  const TensorMap batch = batch_of(*task, Split::kTest, 50);
  at::Tensor y = batch.at("target").clone();
  y.narrow(1, 8, 3).add_(0.25);
  const Metrics seen = metrics_of(*task, y, batch);
  EXPECT_NEAR(seen[1].second, 0.25 * std::sqrt(3.0 / 11), 1e-12);
  EXPECT_EQ(seen[2].first, "rmse_root");
  EXPECT_NEAR(seen[2].second, 0.25, 1e-12);
  const std::string error =
      refused("T-GFN-32", [&] { metrics_of(*task, y.narrow(1, 0, 10), batch); });
  EXPECT_NE(error.find("model.in_dim = 10 and model.out_dim = 11"), std::string::npos) << error;
}

TEST(GaitTask, a_model_that_knows_the_walk_does_not_drift) {
  const auto owned = gait_of();
  const auto& task = dynamic_cast<const GaitTask&>(*owned);
  Oracle oracle;
  double error = 0;
  oracle.says = [&](const TensorMap& inputs) {
    const at::Tensor &x = inputs.at("x"), &g = inputs.at("g");
    const at::Tensor phase = g.select(1, 0), speed = g.select(1, 1), turn = x.select(1, 9);
    const Gait now = gait(phase, speed, turn),
               next = gait(phase + 0.2 * (0.3 + speed), speed, turn);
    const at::Tensor step = at::cat({next.joints - now.joints + error, next.root}, 1);
    return (step - task.mean()) / task.deviation();
  };
  EXPECT_LT(task.drift(oracle, 30, 20), 1e-10);
  error = 0.01;
  EXPECT_NEAR(task.drift(oracle, 30, 20), 0.3, 1e-10) << "30 steps of 0.01";
}

TEST(GaitTask, shares_and_files_that_cannot_be_are_refused) {
  refused("T-GFN-31", [] { gait_of({{"valid_share", 0.5}, {"test_share", 0.5}}); });
  refused<Io>("T-MOT-04", [] { gait_of({{"source", "bvh"}}); });
}

// ---- Claims -------------------------------------------------------------------------------------

/// A laboratory that trains nothing: untrained models with errors that the test makes up.
class MadeUpLab final : public Lab {
 public:
  std::map<std::string, double> rmse;  ///< by recipe
  std::vector<std::string> asked;

  Scale scale() const override { return Scale::kQuick; }
  TrainOutcome train(const std::string& recipe, const std::vector<std::string>&) override {
    asked.push_back(recipe);
    const bool is_gait = recipe.starts_with("gfnn/gait");
    Json model = {{"architecture", "mlp"}, {"in_dim", 2}, {"out_dim", 1}, {"hidden_dims", {2}}};
    if (is_gait) model.update({{"in_dim", 10}, {"out_dim", 11}});
    const double error = rmse.at(recipe);
    return {.test = {{"loss", error * error},
                     {"rmse", error},
                     {"rmse_fine", error},
                     {"rmse_root", error}},
            .model = testing::model_of(model, at::kFloat),
            .task = is_gait ? std::shared_ptr<Task>(task_of_floats()) : nullptr,
            .seed = 1};
  }
  Metrics evaluate(Model&, const Task&, Split) override { return {}; }
  void progress(const std::string&, double) override {}

 private:
  static std::unique_ptr<Task> task_of_floats() {
    GaitConfig config;
    config.train_size = config.test_size = 20;
    return std::make_unique<GaitTask>(config, TaskContext{.data_root = ""});
  }
};

ClaimResult result_of(const std::string& name, MadeUpLab& lab) {
  for (const Claim& claim : claims()) {
    if (claim.name == name) return claim.run(lab);
  }
  ADD_FAILURE() << name;
  return {};
}

TEST(GfnnClaims, a_surface_asks_for_a_lead_over_the_plain_network_and_over_linear) {
  MadeUpLab lab;
  const auto holds = [&](const std::string& name, double cubic, double linear, double plain) {
    lab.rmse = {{"gfnn/surfaces", cubic},
                {"gfnn/surfaces_linear", linear},
                {"gfnn/surfaces_experts", 1},
                {"gfnn/surfaces_mlp", plain}};
    const ClaimResult result = result_of(name, lab);
    EXPECT_EQ(result.ours, cubic);
    EXPECT_EQ(result.baseline, plain);
    EXPECT_EQ(result.figures.size(), 2u);
    return result.holds;
  };
  EXPECT_TRUE(holds("surface_regions", 0.1, 0.12, 0.161));
  EXPECT_FALSE(holds("surface_regions", 0.1, 0.12, 0.159)) << "1.6 times";
  EXPECT_FALSE(holds("surface_regions", 0.1, 0.09, 0.3)) << "linear is better";
  for (const char* name : {"surface_hill", "surface_disc"}) {
    EXPECT_TRUE(holds(name, 0.1, 0.12, 0.301)) << name;
    EXPECT_FALSE(holds(name, 0.1, 0.12, 0.299)) << name;
  }
}

TEST(GfnnClaims, the_gait_asks_for_both_grids) {
  MadeUpLab lab;
  const auto holds = [&](double small, double large, double experts, double phases, double plain) {
    lab.rmse = {{"gfnn/gait", small},
                {"gfnn/gait_large", large},
                {"gfnn/gait_experts", experts},
                {"gfnn/gait_pfnn", phases},
                {"gfnn/gait_mlp", plain}};
    const ClaimResult result = result_of("gait", lab);
    EXPECT_EQ(result.ours, large);
    EXPECT_EQ(result.baseline, experts);
    return result.holds;
  };
  EXPECT_TRUE(holds(0.3, 0.1, 0.2, 0.4, 0.4));
  EXPECT_FALSE(holds(0.3, 0.2, 0.1, 0.4, 0.4));
  EXPECT_FALSE(holds(0.3, 0.1, 0.2, 0.25, 0.4));
  EXPECT_FALSE(holds(0.3, 0.1, 0.2, 0.4, 0.25));
  EXPECT_EQ(lab.asked.size(), 20u);
}

}  // namespace
}  // namespace tessera::gfnn
