#include "tessera/systems/skeleton/tasks.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <array>
#include <memory>

namespace tessera::skeleton {
namespace {

class FirstTask final : public Task {
 public:
  FirstTask(const FirstConfig& config, const TaskContext& context) {
    auto generator = at::detail::createCPUGenerator(static_cast<uint64_t>(config.seed));
    const std::array<int64_t, 3> sizes = {config.train_size, config.valid_size, config.test_size};
    for (size_t split = 0; split < sizes.size(); ++split) {
      const at::Tensor x = 2 * at::rand({sizes[split], 3}, generator, at::kDouble) - 1;
      x_[split] = x.to(context.dtype);
      target_[split] = (2 * x.sum(1, /*keepdim=*/true)).sin().to(context.dtype);
    }
  }

  int64_t size(Split split) const override { return x_[static_cast<size_t>(split)].size(0); }

  TensorMap batch(std::span<const int64_t> examples, BatchContext& context) const override {
    const at::Tensor index = at::empty({std::ssize(examples)}, at::kLong);
    std::ranges::copy(examples, index.mutable_data_ptr<int64_t>());
    const auto split = static_cast<size_t>(context.split);
    return {{"x", x_[split].index_select(0, index)},
            {"target", target_[split].index_select(0, index)}};
  }

  at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const override {
    return at::mse_loss(outputs.at("y"), batch.at("target"));
  }

  void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const override {
    const auto weight = static_cast<double>(batch.at("target").size(0));
    tally.add("loss", loss(outputs, batch).item<double>(), weight);
  }

 private:
  std::array<at::Tensor, 3> x_, target_;
};

}  // namespace

void FirstConfig::fields(FieldList& list) {
  list("train_size", train_size, {.help = "examples to train on", .min = 1, .max = 1e7});
  list("valid_size", valid_size, {.help = "examples that choose the model", .min = 1, .max = 1e7});
  list("test_size", test_size, {.help = "examples that test it", .min = 1, .max = 1e7});
  list("seed", seed, {.help = "of the examples", .min = 0});
}

std::vector<TaskFactory> tasks() {
  return {task_factory<FirstConfig>("first", "a sine of the sum of x",
                                    [](const FirstConfig& config, const TaskContext& context) {
                                      return std::make_unique<FirstTask>(config, context);
                                    })};
}

}  // namespace tessera::skeleton
