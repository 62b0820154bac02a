#include "tessera/systems/gfnn/gait_task.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tessera/systems/gfnn/generators.h"

namespace tessera::gfnn {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;
constexpr int64_t kJoints = 8;

at::Tensor next_phase(const at::Tensor& phase, const at::Tensor& speed) {
  return phase + 0.2 * (0.3 + speed);
}

/// What a model must say, not standardised: (N, 11).
at::Tensor step_of(const at::Tensor& phase, const at::Tensor& speed, const at::Tensor& turn) {
  const Gait now = gait(phase, speed, turn, kJoints);
  const Gait next = gait(next_phase(phase, speed), speed, turn, kJoints);
  return at::cat({next.joints - now.joints, next.root}, 1);
}

}  // namespace

void GaitConfig::fields(FieldList& list) {
  list("coordinates", coordinates,
       {.help = "what g holds: phase and speed (gfnn), the phase (pfnn), a gate's inputs "
                "(mixture_of_experts), or nothing, with a gate's inputs in x (mlp)",
        .one_of = {"phase_speed", "phase", "gate", "inputs"}});
  list("train_size", train_size, {.help = "steps to train on", .min = 2, .max = 1e7});
  list("valid_size", valid_size, {.help = "steps that choose the model", .min = 1, .max = 1e7});
  list("test_size", test_size, {.help = "steps that test it", .min = 1, .max = 1e7});
  list("seed", seed, {.help = "of phases and controls", .min = 0});
}

GaitTask::GaitTask(const GaitConfig& config, const TaskContext& context)
    : coordinates_(config.coordinates), dtype_(context.dtype) {
  auto generator = at::detail::createCPUGenerator(static_cast<uint64_t>(config.seed));
  const std::array<int64_t, 3> sizes = {config.train_size, config.valid_size, config.test_size};
  std::array<at::Tensor, 3> steps;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const at::Tensor drawn = at::rand({sizes[i], 3}, generator, at::kDouble);
    controls_[i] =
        at::stack({kTurn * drawn.select(1, 0), drawn.select(1, 1), 2 * drawn.select(1, 2) - 1}, 1);
    steps[i] =
        step_of(controls_[i].select(1, 0), controls_[i].select(1, 1), controls_[i].select(1, 2));
  }
  mean_ = steps[0].mean(0);
  deviation_ = steps[0].std(0);
  for (size_t i = 0; i < sizes.size(); ++i) {
    target_[i] = ((steps[i] - mean_) / deviation_).to(dtype_);
  }
}

int64_t GaitTask::size(Split split) const { return controls_[static_cast<size_t>(split)].size(0); }

TensorMap GaitTask::inputs(const at::Tensor& q, const at::Tensor& phase, const at::Tensor& speed,
                           const at::Tensor& turn) const {
  const at::Tensor x = at::cat({q, speed.unsqueeze(1), turn.unsqueeze(1)}, 1);
  const at::Tensor gate = at::stack({phase.sin(), phase.cos(), speed}, 1);
  if (coordinates_ == "inputs") return {{"x", at::cat({x, gate}, 1).to(dtype_)}};
  const at::Tensor g = coordinates_ == "gate"    ? gate
                       : coordinates_ == "phase" ? phase.unsqueeze(1)
                                                 : at::stack({phase, speed}, 1);
  return {{"x", x.to(dtype_)}, {"g", g.to(dtype_)}};
}

TensorMap GaitTask::batch(std::span<const int64_t> examples, BatchContext& context) const {
  const at::Tensor index = at::empty({std::ssize(examples)}, at::kLong);
  std::ranges::copy(examples, index.mutable_data_ptr<int64_t>());
  const auto split = static_cast<size_t>(context.split);
  const std::vector<at::Tensor> c = controls_[split].index_select(0, index).unbind(1);
  TensorMap batch = inputs(gait(c[0], c[1], c[2], kJoints).joints, c[0], c[1], c[2]);
  batch.set("target", target_[split].index_select(0, index));
  return batch;
}

at::Tensor GaitTask::loss(const TensorMap& outputs, const TensorMap& batch) const {
  return at::mse_loss(outputs.at("y"), batch.at("target"));
}

void GaitTask::measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const {
  const at::Tensor square = (outputs.at("y") - batch.at("target")).square();
  const auto weight = static_cast<double>(square.size(0));
  tally.add("loss", square.mean().item<double>(), weight);
  tally.add("root", square.narrow(1, kJoints, 3).mean().item<double>(), weight);
}

Metrics GaitTask::metrics(const Tally& tally) const {
  return {{"loss", tally.mean("loss")},
          {"rmse", std::sqrt(tally.mean("loss"))},
          {"rmse_root", std::sqrt(tally.mean("root"))}};
}

double GaitTask::drift(Model& model, int64_t steps, int64_t walks) const {
  const at::NoGradGuard no_grad;
  const at::Tensor& all = controls_[static_cast<size_t>(Split::kTest)];
  const std::vector<at::Tensor> c = all.narrow(0, 0, std::min(walks, all.size(0))).unbind(1);
  at::Tensor phase = c[0], q = gait(phase, c[1], c[2], kJoints).joints;
  for (int64_t step = 0; step < steps; ++step) {
    const at::Tensor y = model.run(inputs(q, phase, c[1], c[2])).at("y").to(at::kDouble);
    q = q + (y * deviation_ + mean_).narrow(1, 0, kJoints);
    phase = next_phase(phase, c[1]).remainder(kTurn);
  }
  return (q - gait(phase, c[1], c[2], kJoints).joints).square().mean().sqrt().item<double>();
}

TaskFactory gait_task() {
  return task_factory<GaitConfig>("gait", "the next pose of a generated walk",
                                  [](const GaitConfig& config, const TaskContext& context) {
                                    return std::make_unique<GaitTask>(config, context);
                                  });
}

}  // namespace tessera::gfnn
