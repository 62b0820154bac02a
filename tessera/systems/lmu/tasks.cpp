#include "tessera/systems/lmu/tasks.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "tessera/core/error.h"
#include "tessera/systems/lmu/capacity.h"
#include "tessera/systems/lmu/mackey_glass.h"
#include "tessera/systems/sequence_tasks.h"
#include "tessera/systems/series_tasks.h"

namespace tessera::lmu {
namespace {

/// The first half of the series trains, its own last half chooses the model, the second half tests.
class MackeyGlassTask final : public Task {
 public:
  MackeyGlassTask(const MackeyGlassConfig& config, const TaskContext& context) {
    if (config.num_samples < 4) {
      fail<InvalidArgument>({.where = "mackey_glass",
                             .rule = "num_samples must be at least 4: training, validation, test",
                             .got = std::to_string(config.num_samples),
                             .id = "T-LMU-16"});
    }
    const MackeyGlass series = mackey_glass(config);
    const int64_t half = config.num_samples / 2, quarter = half / 2;
    const std::array<std::pair<int64_t, int64_t>, 3> ranges = {
        {{0, half - quarter}, {half - quarter, half}, {half, config.num_samples}}};
    for (size_t i = 0; i < ranges.size(); ++i) {
      const auto [begin, end] = ranges[i];
      x_[i] = series.x.narrow(0, begin, end - begin).to(context.dtype).contiguous();
      y_[i] = series.y.narrow(0, begin, end - begin).to(context.dtype).contiguous();
    }
  }

  int64_t size(Split split) const override { return x_[static_cast<size_t>(split)].size(0); }

  TensorMap batch(std::span<const int64_t> examples, BatchContext& context) const override {
    const at::Tensor index = at::empty({static_cast<int64_t>(examples.size())}, at::kLong);
    std::ranges::copy(examples, index.mutable_data_ptr<int64_t>());
    const auto split = static_cast<size_t>(context.split);
    return {{"x", x_[split].index_select(0, index)}, {"target", y_[split].index_select(0, index)}};
  }

  at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const override {
    return at::mse_loss(outputs.at("prediction"), batch.at("target"));
  }

  void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const override {
    const at::Tensor& y = batch.at("target");
    const auto weight = static_cast<double>(y.numel());
    tally.add("loss", loss(outputs, batch).item<double>(), weight);
    tally.add("power", y.square().mean().item<double>(), weight);
  }

  /// nrmse: rms(ŷ − y) / rms(y) in percent.
  Metrics metrics(const Tally& tally) const override {
    return {{"loss", tally.mean("loss")},
            {"nrmse", 100 * std::sqrt(tally.mean("loss") / tally.mean("power"))}};
  }

 private:
  std::array<at::Tensor, 3> x_, y_;
};

}  // namespace

std::vector<TaskFactory> tasks() {
  return {psmnist_task(),
          noise_padded_task(),
          eigenworms_task(),
          bidmc_task(),
          imdb_task(),
          text8_task(),
          capacity_task(),
          task_factory<MackeyGlassConfig>(
              "mackey_glass", "a chaotic series, predict_len steps ahead",
              [](const MackeyGlassConfig& config, const TaskContext& context) {
                return std::make_unique<MackeyGlassTask>(config, context);
              })};
}

}  // namespace tessera::lmu
