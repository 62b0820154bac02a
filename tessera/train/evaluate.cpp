#include "tessera/train/evaluate.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Context.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <numeric>

#include "tessera/core/error.h"
#include "tessera/io/checkpoint_store.h"
#include "tessera/train/masked_model.h"
#include "tessera/train/precision.h"
#include "tessera/train/run_folder.h"
#include "tessera/train/train_state.h"

namespace tessera::train {
namespace {

using Clock = std::chrono::steady_clock;

/// Restores the model's mode and a generator's state.
class EvaluationGuard {
 public:
  EvaluationGuard(Model& model, at::Generator generator, uint64_t seed)
      : model_(model),
        was_training_(model.is_training()),
        generator_(std::move(generator)),
        state_(generator_.get_state()) {
    model_.eval();
    generator_.set_current_seed(seed);
  }
  ~EvaluationGuard() {
    model_.train(was_training_);
    generator_.set_state(state_);
  }
  EvaluationGuard(const EvaluationGuard&) = delete;
  EvaluationGuard& operator=(const EvaluationGuard&) = delete;

 private:
  Model& model_;
  bool was_training_;
  at::Generator generator_;
  at::Tensor state_;
};

}  // namespace

EvaluateOptions evaluate_options(const Recipe& recipe) {
  const TrainConfig& train = recipe.train;
  return {.batch_size = train.eval_batch_size > 0 ? train.eval_batch_size : train.batch_size,
          .seed = static_cast<uint64_t>(train.seed),
          .run = recipe.run};
}

Metrics evaluate(Model& model, const Task& task, Split split, const EvaluateOptions& options) {
  const auto parameters = model.parameters();
  const at::Device device = parameters.empty() ? at::Device(at::kCPU) : parameters[0].device();
  const std::string stream = std::string("evaluate/") + name_of(split);
  const EvaluationGuard guard(model, at::globalContext().defaultGenerator(device),
                              stream_seed(options.seed, stream + "/default"));
  const at::NoGradGuard no_grad;

  const int64_t size = task.size(split);
  std::vector<int64_t> examples(static_cast<size_t>(size));
  std::iota(examples.begin(), examples.end(), 0);
  BatchContext context{split, at::detail::createCPUGenerator(stream_seed(options.seed, stream))};
  Tally tally;
  Clock::time_point last_display = Clock::now();
  for (int64_t begin = 0; begin < size; begin += options.batch_size) {
    const int64_t count = std::min(options.batch_size, size - begin);
    TensorMap batch = task.batch(
        std::span(examples).subspan(static_cast<size_t>(begin), static_cast<size_t>(count)),
        context);
    if (!device.is_cpu()) batch = batch.to(device, parameters[0].scalar_type());
    task.measure(forward(model, batch, options.run), batch, tally);
    if (options.observer && Clock::now() - last_display >= kBetweenDisplays) {
      options.observer->on_progress(std::string("evaluating ") + name_of(split),
                                    static_cast<double>(begin + count) / static_cast<double>(size));
      last_display = Clock::now();
    }
  }
  return task.metrics(tally);
}

Recipe load_run_recipe(const std::string& run_folder, const std::vector<std::string>& settings) {
  const std::string path = RunFolder{run_folder}.config();
  if (!std::filesystem::is_regular_file(path)) {
    fail<BadFile>({.where = "run",
                   .rule = run_folder + " is a run folder with a config.toml",
                   .got = "none",
                   .next = "`tessera runs list` shows the runs of this machine.",
                   .id = "T-RUN-06"});
  }
  return load_recipe(path, settings);
}

std::shared_ptr<Model> load_run_model(const Recipe& recipe, const std::string& run_folder) {
  const io::CheckpointStore store(RunFolder{run_folder}.checkpoints());
  const auto checkpoint = store.open_latest();
  if (!checkpoint) {
    fail<BadFile>({.where = "run",
                   .rule = run_folder + " holds a checkpoint",
                   .got = "none",
                   .next = "Train it first: tessera train --resume " + run_folder,
                   .id = "T-RUN-07"});
  }
  return make_trained_model(recipe, best_weights(checkpoint->path));
}

}  // namespace tessera::train
