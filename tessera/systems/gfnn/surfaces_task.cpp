#include "tessera/systems/gfnn/surfaces_task.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "tessera/systems/gfnn/generators.h"

namespace tessera::gfnn {
namespace {

class SurfacesTask final : public Task {
 public:
  SurfacesTask(const SurfacesConfig& config, const TaskContext& context) {
    auto generator = at::detail::createCPUGenerator(static_cast<uint64_t>(config.seed));
    const std::array<int64_t, 3> sizes = {config.train_size, config.valid_size, config.test_size};
    for (size_t i = 0; i < sizes.size(); ++i) {
      const at::Tensor x = 2 * at::rand({sizes[i], 2}, generator, at::kDouble) - 1;
      const at::Tensor u = x.select(1, 0), v = x.select(1, 1);
      x_[i] = x.to(context.dtype);
      y_[i] = surface(config.surface, u, v).unsqueeze(1).to(context.dtype);
      fine_[i] = is_fine(config.surface, u, v).unsqueeze(1).to(context.dtype);
    }
  }

  int64_t size(Split split) const override { return x_[static_cast<size_t>(split)].size(0); }

  TensorMap batch(std::span<const int64_t> examples, BatchContext& context) const override {
    const at::Tensor index = at::empty({std::ssize(examples)}, at::kLong);
    std::ranges::copy(examples, index.mutable_data_ptr<int64_t>());
    const auto split = static_cast<size_t>(context.split);
    const at::Tensor x = x_[split].index_select(0, index);
    return {{"x", x},
            {"g", x},
            {"target", y_[split].index_select(0, index)},
            {"fine", fine_[split].index_select(0, index)}};
  }

  at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const override {
    return at::mse_loss(outputs.at("y"), batch.at("target"));
  }

  void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const override {
    const at::Tensor square = (outputs.at("y") - batch.at("target")).square();
    const at::Tensor& fine = batch.at("fine");
    tally.add("loss", square.mean().item<double>(), static_cast<double>(square.numel()));
    const double points = fine.sum().item<double>();
    if (points > 0) tally.add("fine", (square * fine).sum().item<double>() / points, points);
  }

  Metrics metrics(const Tally& tally) const override {
    return {{"loss", tally.mean("loss")},
            {"rmse", std::sqrt(tally.mean("loss"))},
            {"rmse_fine", std::sqrt(tally.mean("fine"))}};
  }

 private:
  std::array<at::Tensor, 3> x_, y_, fine_;
};

}  // namespace

void SurfacesConfig::fields(FieldList& list) {
  list("surface", surface,
       {.help = "a bump, a wave or a plateau, each with small waves on a part of it",
        .one_of = surface_names()});
  list("train_size", train_size, {.help = "points to train on", .min = 1, .max = 1e7});
  list("valid_size", valid_size, {.help = "points that choose the model", .min = 1, .max = 1e7});
  list("test_size", test_size, {.help = "points that test it", .min = 1, .max = 1e7});
  list("seed", seed, {.help = "of the points", .min = 0});
}

at::Tensor is_fine(const std::string& surface, const at::Tensor& u, const at::Tensor& v) {
  if (surface == "hill") return u < -0.25;
  if (surface == "regions") return u.abs() > 0.3;
  return u.square() + v.square() > 0.49;
}

TaskFactory surfaces_task() {
  return task_factory<SurfacesConfig>("surfaces", "a surface with a gross and a small feature",
                                      [](const SurfacesConfig& config, const TaskContext& context) {
                                        return std::make_unique<SurfacesTask>(config, context);
                                      });
}

}  // namespace tessera::gfnn
