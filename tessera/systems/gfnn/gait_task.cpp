#include "tessera/systems/gfnn/gait_task.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/data/motion.h"
#include "tessera/ops/describe.h"
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
  list("source", source,
       {.help = "a generated walk, or the .bvh file or folder of them that --data names",
        .one_of = {"generated", "bvh"}});
  list("coordinates", coordinates,
       {.help = "what g holds: phase and speed (gfnn), the phase (pfnn), a gate's inputs "
                "(mixture_of_experts), or nothing, with a gate's inputs in x (mlp)",
        .one_of = {"phase_speed", "phase", "gate", "inputs"}});
  list("train_size", train_size, {.help = "generated: steps to train on", .min = 2, .max = 1e7});
  list("valid_size", valid_size,
       {.help = "generated: steps that choose the model", .min = 1, .max = 1e7});
  list("test_size", test_size, {.help = "generated: steps that test it", .min = 1, .max = 1e7});
  list("seed", seed, {.help = "generated: of phases and controls", .min = 0});
  list("up", up, {.help = "bvh: the vertical axis", .one_of = {"x", "y", "z"}});
  list("step", step,
       {.help = "bvh: from a pose to the one that is predicted",
        .unit = "s",
        .min = 1e-4,
        .max = 10});
  list("feet", feet,
       {.help = "bvh: two joints whose heights tell the phase; []: the lowest ends of two limbs"});
  list("valid_share", valid_share,
       {.help = "bvh: part of each recording that chooses the model", .min = 0, .max = 0.9});
  list("test_share", test_share,
       {.help = "bvh: part of each recording, its end, that tests it", .min = 0, .max = 0.9});
}

void GaitConfig::validate() const {
  if (valid_share + test_share < 1) return;
  fail<InvalidArgument>({.where = "gait",
                         .rule = "valid_share and test_share must leave frames to train on",
                         .got = shortest(valid_share + test_share),
                         .id = "T-GFN-31"});
}

std::array<GaitTask::Examples, 3> GaitTask::generate(const GaitConfig& config) {
  auto generator = at::detail::createCPUGenerator(static_cast<uint64_t>(config.seed));
  const std::array<int64_t, 3> sizes = {config.train_size, config.valid_size, config.test_size};
  std::array<Examples, 3> splits;
  for (size_t i = 0; i < sizes.size(); ++i) {
    const at::Tensor drawn = at::rand({sizes[i], 3}, generator, at::kDouble);
    const at::Tensor phase = kTurn * drawn.select(1, 0), speed = drawn.select(1, 1).clone(),
                     turn = 2 * drawn.select(1, 2) - 1;
    splits[i] = {gait(phase, speed, turn, kJoints).joints, phase, speed, turn,
                 step_of(phase, speed, turn)};
  }
  return splits;
}

std::array<GaitTask::Examples, 3> GaitTask::record(const GaitConfig& config,
                                                   const std::string& path) {
  const data::GaitOptions options{
      .up = config.up[0] - 'x', .step = config.step, .feet = config.feet};
  const data::RecordedGaits gaits =
      data::load_gaits(path, options, config.valid_share, config.test_share);
  const auto examples = [](const data::RecordedGait& it) {
    return Examples{it.pose, it.phase, it.speed, it.turn, it.step};
  };
  return {examples(gaits.train), examples(gaits.valid), examples(gaits.test)};
}

GaitTask::GaitTask(const GaitConfig& config, const TaskContext& context)
    : source_(config.source),
      coordinates_(config.coordinates),
      dtype_(context.dtype),
      splits_(source_ == "bvh" ? record(config, context.data_root) : generate(config)),
      mean_(splits_[0].step.mean(0)),
      deviation_(splits_[0].step.std(0)) {
  // What a recording never moves is 0 in every target.
  deviation_ = at::where(deviation_ > 1e-9, deviation_, at::ones_like(deviation_));
  for (size_t i = 0; i < splits_.size(); ++i) {
    target_[i] = ((splits_[i].step - mean_) / deviation_).to(dtype_);
  }
}

int64_t GaitTask::size(Split split) const { return target_[static_cast<size_t>(split)].size(0); }

int64_t GaitTask::in_dim() const {
  return splits_[0].pose.size(1) + (coordinates_ == "inputs" ? 5 : 2);
}

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
  const Examples& all = splits_[split];
  const auto chosen = [&](const at::Tensor& of) { return of.index_select(0, index); };
  TensorMap batch =
      inputs(chosen(all.pose), chosen(all.phase), chosen(all.speed), chosen(all.turn));
  batch.set("target", chosen(target_[split]));
  return batch;
}

void GaitTask::expect_width(const at::Tensor& y) const {
  if (y.dim() == 2 && y.size(1) == out_dim()) return;
  fail<InvalidArgument>(
      {.where = "gait",
       .rule =
           fmt::format("y must be (B, {}): each angle's change, and the root's motion", out_dim()),
       .got = ops::describe(y),
       .next = fmt::format("Set model.in_dim = {} and model.out_dim = {}.", in_dim(), out_dim()),
       .id = "T-GFN-32"});
}

at::Tensor GaitTask::loss(const TensorMap& outputs, const TensorMap& batch) const {
  expect_width(outputs.at("y"));
  return at::mse_loss(outputs.at("y"), batch.at("target"));
}

void GaitTask::measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const {
  expect_width(outputs.at("y"));
  const at::Tensor square = (outputs.at("y") - batch.at("target")).square();
  const auto weight = static_cast<double>(square.size(0));
  tally.add("loss", square.mean().item<double>(), weight);
  tally.add("root", square.narrow(1, out_dim() - 3, 3).mean().item<double>(), weight);
}

Metrics GaitTask::metrics(const Tally& tally) const {
  return {{"loss", tally.mean("loss")},
          {"rmse", std::sqrt(tally.mean("loss"))},
          {"rmse_root", std::sqrt(tally.mean("root"))}};
}

double GaitTask::drift(Model& model, int64_t steps, int64_t walks) const {
  if (source_ != "generated") {
    fail<InvalidArgument>({.where = "gait",
                           .rule = "drift is measured against the generated walk",
                           .got = "task.source = \"" + source_ + "\"",
                           .id = "T-GFN-33"});
  }
  const at::NoGradGuard no_grad;
  const Examples& all = splits_[static_cast<size_t>(Split::kTest)];
  const int64_t count = std::min(walks, all.phase.size(0));
  const at::Tensor speed = all.speed.narrow(0, 0, count), turn = all.turn.narrow(0, 0, count);
  at::Tensor phase = all.phase.narrow(0, 0, count), q = all.pose.narrow(0, 0, count);
  for (int64_t step = 0; step < steps; ++step) {
    const at::Tensor y = model.run(inputs(q, phase, speed, turn)).at("y").to(at::kDouble);
    q = q + (y * deviation_ + mean_).narrow(1, 0, kJoints);
    phase = next_phase(phase, speed).remainder(kTurn);
  }
  return (q - gait(phase, speed, turn, kJoints).joints).square().mean().sqrt().item<double>();
}

TaskFactory gait_task() {
  return task_factory<GaitConfig>("gait",
                                  "the next pose of a walk: generated, or of motion files (.bvh)",
                                  [](const GaitConfig& config, const TaskContext& context) {
                                    return std::make_unique<GaitTask>(config, context);
                                  });
}

}  // namespace tessera::gfnn
