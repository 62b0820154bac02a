// The network on series of EigenWorms' length: it learns, and its memory does not follow the steps.

#include <gtest/gtest.h>
#include <torch/optim/adam.h>

#include <fstream>
#include <optional>
#include <string>

#include "tessera/systems/series_tasks.h"
#include "tessera/systems/unicornn/test_models.h"

namespace tessera::unicornn {
namespace {

using testing::model_of;

constexpr int64_t kSteps = 17984;

Json worms_model(const char* backward) {
  return {{"input_dim", 6},          {"hidden_dim", 32}, {"num_layers", 2}, {"num_classes", 5},
          {"dt", {2.81e-5, 0.0343}}, {"alpha", 0.0},     {"dropout", 0.0},  {"backward", backward}};
}

/// Losses of `steps` updates at the recipe's rate on the first eight training series.
std::vector<double> train(const Task& task, Model& model, int64_t steps) {
  BatchContext context{.split = Split::kTrain};
  const std::vector<int64_t> examples = {0, 1, 2, 3, 4, 5, 6, 7};
  const TensorMap batch = task.batch(examples, context);
  torch::optim::Adam adam(model.parameters(), torch::optim::AdamOptions(7.6e-3));
  std::vector<double> losses;
  for (int64_t step = 0; step < steps; ++step) {
    adam.zero_grad();
    const at::Tensor loss = task.loss(model.run(batch), batch);
    losses.push_back(loss.item<double>());
    loss.backward();
    adam.step();
  }
  return losses;
}

std::unique_ptr<Task> worms() {
  const TaskFactory factory = eigenworms_task();
  const auto config = factory.config();
  read_config(*config, {{"source", "generated"}, {"size", 12}});
  return factory.make(*config, {});
}

TEST(LongSeries, a_few_updates_at_full_length_lower_the_loss) {
  const auto task = worms();
  BatchContext context{.split = Split::kTrain};
  const std::vector<int64_t> one = {0};
  ASSERT_EQ(task->batch(one, context).at("x").sizes(), (at::IntArrayRef{1, kSteps, 6}));
  const auto model = model_of(worms_model("reconstruct"), at::kFloat);
  const std::vector<double> losses = train(*task, *model, 10);
  EXPECT_LT(losses.back(), losses.front() - 0.05);
}

/// A line of /proc/self/status in bytes.
std::optional<int64_t> status_bytes(const std::string& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":")) return std::stoll(line.substr(name.size() + 1)) * 1024;
  }
  return {};
}

TEST(LongSeries, training_at_full_length_keeps_memory_bounded) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "under the address sanitizer freed memory is kept";
#endif
  const auto task = worms();
  const auto model = model_of(worms_model("reconstruct"), at::kFloat);
  // 5: forget the peak.
  std::ofstream clear("/proc/self/clear_refs");
  clear << "5" << std::endl;
  const auto before = status_bytes("VmRSS");
  if (!clear || !before) GTEST_SKIP() << "/proc/self/clear_refs is missing";
  train(*task, *model, 3);
  const int64_t more = *status_bytes("VmHWM") - *before;
  // One tensor of a layer's outputs has 18 MB; a trajectory kept by autograd takes about 600.
  EXPECT_LT(more, 160'000'000);
}

}  // namespace
}  // namespace tessera::unicornn
