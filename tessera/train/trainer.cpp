#include "tessera/train/trainer.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>

#include "tessera/core/error.h"
#include "tessera/core/threads.h"
#include "tessera/io/checkpoint_store.h"
#include "tessera/io/file.h"
#include "tessera/io/folder_lock.h"
#include "tessera/systems/phased.h"
#include "tessera/systems/task_extras.h"
#include "tessera/train/batch_maker.h"
#include "tessera/train/evaluate.h"
#include "tessera/train/interrupt.h"
#include "tessera/train/precision.h"
#include "tessera/train/run_folder.h"
#include "tessera/train/run_store.h"
#include "tessera/train/train_state.h"

namespace tessera::train {
namespace {

using Clock = std::chrono::steady_clock;

// Losses wait on the device and are read together: one wait for the device instead of this many.
constexpr size_t kMaxPendingLosses = 64;

double seconds_between(Clock::time_point a, Clock::time_point b) {
  return std::chrono::duration<double>(b - a).count();
}

TensorMap cloned(const TensorMap& tensors) {
  TensorMap copies;
  for (const auto& [name, tensor] : tensors) copies.set(name, tensor.clone());
  return copies;
}

/// The whole of one training session: from the recipe, or a checkpoint, to the end.
class Trainer {
 public:
  Trainer(const Recipe& recipe, const TrainOptions& options);
  TrainOutcome run();

 private:
  /// Checks what lies in the run folder, and goes back to its last checkpoint.
  void open_folder();
  void check_same_recipe() const;
  void restore(const io::Checkpoint& checkpoint);

  void update();
  at::Tensor forward_backward(int64_t micro_batches);
  at::Tensor loss_of(const TensorMap& outputs, const TensorMap& batch) const;
  [[noreturn]] void refuse_loss(const std::string& got) const;
  void after_update();
  bool is_evaluation_due() const;
  bool is_log_due() const;
  void read_losses();
  void evaluate_splits();
  Metrics evaluate_split(Split split);
  void log_train();
  void display();
  void save();
  void stop(int signal);
  void record(const std::string& status);
  void say(const std::string& message) const;
  TrainOutcome outcome();

  double epoch() const;
  double current_lr(int64_t step) const;
  bool is_over() const { return state_.counters.step >= total_steps_ || is_stopped_early(); }
  bool is_stopped_early() const;
  TrainParts parts() { return {*model_, *optimizer_, *loader_, rng_, ema_.get()}; }

  const Recipe& recipe_;
  const TrainConfig& config_;
  const TrainOptions& options_;
  const int threads_;  ///< before the task, which may compute while it is made
  SilentObserver silent_;
  Observer& observer_;
  const RunFolder folder_;
  io::FolderLock lock_;
  const at::Device device_;

  std::shared_ptr<Task> task_;
  std::shared_ptr<Model> model_;
  NamedParameters parameters_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Ema> ema_;
  Rng rng_;
  std::unique_ptr<Loader> loader_;
  std::unique_ptr<BatchMaker> batches_;
  int64_t steps_per_epoch_, total_steps_, evaluate_every_;
  bool has_valid_, has_test_;

  io::CheckpointStore checkpoints_;
  std::unique_ptr<MetricsLog> log_;
  std::unique_ptr<RunStore> store_;
  std::string started_ = timestamp();

  TrainState state_;
  std::vector<Evaluation> history_;
  std::vector<at::Tensor> pending_losses_;
  int64_t saved_step_ = -1, evaluated_step_ = -1;
  int64_t first_step_ = 0;  ///< of this session
  double earlier_seconds_ = 0;
  Clock::time_point start_, last_display_;
  PhaseTimes times_;
};

Trainer::Trainer(const Recipe& recipe, const TrainOptions& options)
    : recipe_(recipe),
      config_(recipe.train),
      options_(options),
      threads_(apply(recipe.run)),
      observer_(options.observer ? *options.observer : silent_),
      folder_{options.out},
      device_(device_of(recipe.run)),
      rng_(static_cast<uint64_t>(recipe.train.seed)),
      checkpoints_(folder_.checkpoints()) {
  // The folder first: a refusal should not come after minutes of making data.
  if (!options_.out.empty()) open_folder();
  task_ = make_task(recipe_, options_.data_root, [this](const std::string& what, double fraction) {
    observer_.on_progress(what, fraction);
  });
  model_ = make_model(recipe_);
  const auto* given = dynamic_cast<const InitialWeights*>(task_.get());
  const bool is_new = options_.out.empty() || checkpoints_.list().empty();
  if (given != nullptr && is_new) begin_with(*model_, given->initial_weights());
  parameters_ = parameters_of(*model_);
  optimizer_ = Optimizer::make(config_.optimizer, *model_);
  if (config_.ema_decay > 0) ema_ = std::make_unique<Ema>(parameters_, config_.ema_decay);
  loader_ = std::make_unique<Loader>(task_->size(Split::kTrain), config_.batch_size,
                                     config_.shuffle, config_.drop_last, rng_);
  batches_ = std::make_unique<BatchMaker>(*task_, *loader_, rng_, recipe.run.prefetch);
  steps_per_epoch_ = (loader_->batches_per_epoch() + config_.accumulate - 1) / config_.accumulate;
  total_steps_ = config_.steps ? *config_.steps : *config_.epochs * steps_per_epoch_;
  evaluate_every_ = config_.evaluate_every_steps > 0 ? config_.evaluate_every_steps
                                                     : config_.evaluate_every * steps_per_epoch_;
  has_valid_ = task_->size(Split::kValid) > 0;
  has_test_ = task_->size(Split::kTest) > 0;
  model_->train();

  if (!options_.out.empty()) {
    if (const auto checkpoint = checkpoints_.open_latest()) restore(*checkpoint);
    io::write_atomically(folder_.environment(),
                         std::string_view(environment(recipe_).dump(1) + "\n"));
  }
  state_.counters.threads = threads_;
  log_ = std::make_unique<MetricsLog>(options_.out.empty() ? "" : folder_.metrics(),
                                      state_.counters.step);
}

void Trainer::open_folder() {
  if (std::filesystem::exists(folder_.path) && !std::filesystem::is_directory(folder_.path)) {
    fail<InvalidArgument>({.where = "train",
                           .rule = "a run is a folder",
                           .got = "the file " + folder_.path,
                           .next = "Give a new folder with --out.",
                           .id = "T-RUN-10"});
  }
  std::filesystem::create_directories(folder_.path);
  lock_ = io::FolderLock(folder_.path);
  const bool has_checkpoint = !checkpoints_.list().empty();
  if (has_checkpoint && !options_.resume) {
    fail<InvalidArgument>({.where = "train",
                           .rule = folder_.path + " holds a run already",
                           .next = "Go on with `tessera train --resume " + folder_.path +
                                   "`, or give a new folder with --out.",
                           .id = "T-RUN-08"});
  }
  if (has_checkpoint) {
    check_same_recipe();
  } else {
    // Before anything that takes time: with it alone a killed run can be resumed, from step 0.
    io::write_atomically(folder_.config(), std::string_view(write_toml(to_json(recipe_))));
  }
}

void Trainer::check_same_recipe() const {
  if (!std::filesystem::exists(folder_.config())) return;
  Json before = read_toml_file(folder_.config()).values;
  Json now = parse_toml(write_toml(to_json(recipe_)), "recipe").values;
  // Where and how fast it runs may change between sessions; what is computed may not.
  before.erase("run");
  now.erase("run");
  if (before == now) return;
  const Json changes = Json::diff(before, now);
  const Json first = changes.empty() ? Json::object() : changes.front();
  fail<InvalidArgument>({.where = "train",
                         .rule = "a resumed run keeps its recipe, " + folder_.config(),
                         .got = fmt::format("another value at {}", first.value("path", "/")),
                         .next = "Give a new folder with --out for another recipe.",
                         .id = "T-RUN-09"});
}

void Trainer::restore(const io::Checkpoint& checkpoint) {
  state_ = load_state(parts(), checkpoint.path);
  const Counters& c = state_.counters;
  saved_step_ = first_step_ = c.step;
  earlier_seconds_ = c.seconds;
  for (const Evaluation& evaluation : history_of(read_metrics(folder_.metrics()))) {
    if (evaluation.step <= c.step) history_.push_back(evaluation);
  }
  if (!history_.empty()) evaluated_step_ = history_.back().step;
  if (c.threads != threads_) {
    say(fmt::format(
        "this run was computed with {} threads and goes on with {}: its bits may differ "
        "from those of an uninterrupted one",
        c.threads, threads_));
  }
}

void Trainer::say(const std::string& message) const { observer_.on_message(message); }

double Trainer::epoch() const {
  return static_cast<double>(state_.counters.step) / static_cast<double>(steps_per_epoch_);
}

double Trainer::current_lr(int64_t step) const {
  return learning_rate(config_.schedule, config_.optimizer.lr, step, steps_per_epoch_,
                       total_steps_);
}

bool Trainer::is_stopped_early() const {
  return config_.early_stop_patience > 0 &&
         state_.counters.evaluations_without_gain >= config_.early_stop_patience;
}

TrainOutcome Trainer::run() {
  if (!options_.out.empty() && options_.run_store != "none") {
    try {
      store_ = std::make_unique<RunStore>(options_.run_store.empty() ? default_run_store()
                                                                     : options_.run_store);
    } catch (const Error& error) {
      say(fmt::format("the run is not recorded: {}", error.what()));
    }
  }
  start_ = last_display_ = Clock::now();
  if (state_.counters.is_finished) {
    say(fmt::format("finished already, at step {}", state_.counters.step));
    return outcome();
  }
  try {
    record("running");
    const InterruptGuard guard;
    while (!is_over()) {
      update();
      after_update();
      if (options_.times) *options_.times = times_;
    }
    display();
  } catch (const Interrupted&) {
    record("interrupted");
    throw;
  } catch (...) {
    record("failed");
    throw;
  }
  record("finished");
  if (options_.write_report && !options_.out.empty()) options_.write_report(options_.out);
  return outcome();
}

at::Tensor Trainer::forward_backward(int64_t micro_batches) {
  const Clock::time_point begin = Clock::now();
  TensorMap batch = batches_->next();
  if (!device_.is_cpu()) batch = batch.to(device_, dtype_of(recipe_.run));

  const Clock::time_point batched = Clock::now();
  const TensorMap outputs = forward(*model_, batch, recipe_.run);

  const Clock::time_point forwarded = Clock::now();
  const at::Tensor loss = loss_of(outputs, batch);
  (micro_batches > 1 ? loss / static_cast<double>(micro_batches) : loss).backward();
  const Clock::time_point backwarded = Clock::now();

  times_.data += seconds_between(begin, batched);
  times_.forward += seconds_between(batched, forwarded);
  times_.backward += seconds_between(forwarded, backwarded);
  return loss.detach();
}

at::Tensor Trainer::loss_of(const TensorMap& outputs, const TensorMap& batch) const {
  try {
    return task_->loss(outputs, batch);
  } catch (const c10::Error&) {
    // Some losses check their arguments: what has diverged is not our bug.
    for (const auto& [name, tensor] : outputs) {
      const bool is_finite = !tensor.is_floating_point() || at::isfinite(tensor).all().item<bool>();
      if (!is_finite) {
        refuse_loss(fmt::format("a {} that is not, at step {}", name, state_.counters.step + 1));
      }
    }
    throw;
  }
}

void Trainer::refuse_loss(const std::string& got) const {
  const std::string next = saved_step_ >= 0 ? fmt::format(" The last checkpoint is {}/step-{}.",
                                                          checkpoints_.folder(), saved_step_)
                                            : "";
  fail<InvalidArgument>({.where = "train",
                         .rule = "the loss stays finite",
                         .got = got,
                         .next = "Lower train.lr or set train.grad_clip_norm." + next,
                         .id = "T-TRAIN-06"});
}

void Trainer::update() {
  const Clock::time_point begin = Clock::now();
  const PhaseTimes before = times_;
  Counters& c = state_.counters;
  optimizer_->set_lr(current_lr(c.step));

  // The last update of an epoch takes the batches that are left.
  const int64_t left =
      loader_->batches_per_epoch() - loader_->batches_taken() % loader_->batches_per_epoch();
  const int64_t micro_batches = std::min(config_.accumulate, left);
  at::Tensor loss;
  for (int64_t i = 0; i < micro_batches; ++i) {
    const at::Tensor part = forward_backward(micro_batches);
    loss = loss.defined() ? loss + part : part;
  }
  if (micro_batches > 1) loss = loss / static_cast<double>(micro_batches);

  const Clock::time_point ready = Clock::now();
  if (config_.grad_clip_norm > 0) optimizer_->clip_grad_norm(config_.grad_clip_norm);
  optimizer_->step();
  model_->constrain();
  optimizer_->zero_grad();
  if (const auto* phased = dynamic_cast<const Phased*>(model_.get());
      phased && phased->ends_phase()) {
    optimizer_ = Optimizer::make(config_.optimizer, *model_);
  }
  if (ema_) ema_->update();
  const Clock::time_point end = Clock::now();

  ++c.step;
  pending_losses_.push_back(loss);
  ++times_.steps;
  times_.optimizer += seconds_between(ready, end);
  times_.other += seconds_between(begin, ready) - (times_.data - before.data) -
                  (times_.forward - before.forward) - (times_.backward - before.backward);
}

void Trainer::after_update() {
  const Clock::time_point begin = Clock::now();
  const int64_t step = state_.counters.step;
  const bool is_last = step >= total_steps_;
  const bool is_display_due = begin - last_display_ >= kBetweenDisplays;
  if (pending_losses_.size() >= kMaxPendingLosses || is_display_due) read_losses();
  if (is_display_due) display();
  if (is_log_due()) log_train();
  times_.other += seconds_between(begin, Clock::now());

  if (is_evaluation_due() || is_last) evaluate_splits();
  const bool is_checkpoint_due =
      config_.checkpoint_every > 0 && step % config_.checkpoint_every == 0;
  const int signal = InterruptGuard::signal();
  const bool is_enough =
      options_.stop_after > 0 && step - first_step_ >= options_.stop_after && !is_over();
  if (is_over() && !is_last)
    say(fmt::format("no better validation value in {} evaluations: done",
                    config_.early_stop_patience));
  if (is_checkpoint_due || is_over() || is_enough || signal != 0) save();
  if ((signal != 0 || is_enough) && !is_over()) stop(signal);
}

bool Trainer::is_evaluation_due() const {
  return evaluate_every_ > 0 && state_.counters.step % evaluate_every_ == 0;
}

bool Trainer::is_log_due() const {
  const int64_t every = config_.log_every > 0 ? config_.log_every : steps_per_epoch_;
  return state_.counters.step % every == 0;
}

void Trainer::read_losses() {
  if (pending_losses_.empty()) return;
  Counters& c = state_.counters;
  const at::Tensor losses = at::stack(pending_losses_).to(at::kCPU, at::kDouble);
  const double* values = losses.const_data_ptr<double>();
  const int64_t count = losses.numel();
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(values[i])) {
      refuse_loss(fmt::format("{} at step {}", values[i], c.step - count + i + 1));
    }
    c.since_evaluation.add(values[i]);
    c.since_log.add(values[i]);
  }
  pending_losses_.clear();
}

void Trainer::log_train() {
  read_losses();
  Counters& c = state_.counters;
  log_->append({{"event", "train"},
                {"step", c.step},
                {"epoch", epoch()},
                {"loss", c.since_log.value()},
                {"lr", optimizer_->lr()},
                {"seconds", earlier_seconds_ + seconds_between(start_, Clock::now())}});
  c.since_log = {};
}

Metrics Trainer::evaluate_split(Split split) {
  EvaluateOptions options = evaluate_options(recipe_);
  options.observer = &observer_;
  return evaluate(*model_, *task_, split, options);
}

void Trainer::evaluate_splits() {
  Counters& c = state_.counters;
  if (evaluated_step_ == c.step) return;
  batches_->wait();
  read_losses();
  if (ema_) ema_->swap();
  Evaluation evaluation{.step = c.step, .epoch = epoch(), .train_loss = c.since_evaluation.value()};
  const bool is_last = c.step >= total_steps_;
  bool is_best = !has_valid_ && is_last;
  if (has_valid_) {
    evaluation.valid = evaluate_split(Split::kValid);
    const double value = metric(evaluation.valid, task_->selection_metric());
    is_best = !state_.best ||
              (task_->larger_is_better() ? value > state_.best->value : value < state_.best->value);
    c.evaluations_without_gain = is_best ? 0 : c.evaluations_without_gain + 1;
  }
  if (is_best) {
    if (has_test_) evaluation.test = evaluate_split(Split::kTest);
    const double value =
        has_valid_ ? metric(evaluation.valid, task_->selection_metric()) : evaluation.train_loss;
    state_.best = Best{.value = value,
                       .step = c.step,
                       .valid = evaluation.valid,
                       .test = evaluation.test,
                       .weights = cloned(weights_of(*model_))};
  }
  if (ema_) ema_->swap();

  log_->append({{"event", "evaluation"},
                {"step", c.step},
                {"epoch", evaluation.epoch},
                {"loss", to_json(Metrics{{"loss", evaluation.train_loss}})["loss"]},
                {"lr", optimizer_->lr()},
                {"seconds", earlier_seconds_ + seconds_between(start_, Clock::now())},
                {"valid", to_json(evaluation.valid)},
                {"test", to_json(evaluation.test)},
                {"best", is_best}});
  observer_.on_evaluation(evaluation, is_best);
  history_.push_back(std::move(evaluation));
  c.since_evaluation = {};
  evaluated_step_ = c.step;
}

void Trainer::display() {
  read_losses();
  const Counters& c = state_.counters;
  const double session = seconds_between(start_, Clock::now());
  const double rate = static_cast<double>(c.step - first_step_) / std::max(session, 1e-9);
  const bool is_fresh = c.since_evaluation.count == 0 && !history_.empty();
  observer_.on_step({.step = c.step,
                     .total_steps = total_steps_,
                     .epoch = epoch(),
                     .loss = is_fresh ? history_.back().train_loss : c.since_evaluation.value(),
                     .lr = optimizer_->lr(),
                     .steps_per_second = rate,
                     .seconds_left = static_cast<double>(total_steps_ - c.step) / rate});
  last_display_ = Clock::now();
}

void Trainer::save() {
  Counters& c = state_.counters;
  read_losses();
  c.seconds = earlier_seconds_ + seconds_between(start_, Clock::now());
  c.is_finished = is_over();
  log_->flush();
  if (options_.out.empty() || saved_step_ == c.step) return;
  checkpoints_.write(c.step,
                     [this](const std::string& folder) { save_state(state_, parts(), folder); });
  checkpoints_.keep_newest(config_.keep_checkpoints);
  saved_step_ = c.step;
}

void Trainer::stop(int signal) {
  const std::string cause = signal == SIGINT    ? "SIGINT"
                            : signal == SIGTERM ? "SIGTERM"
                                                : fmt::format("{} steps", options_.stop_after);
  const std::string how = options_.out.empty()
                              ? "there is no run folder to go on from"
                              : "go on with: tessera train --resume " + options_.out;
  throw Interrupted(signal, fmt::format("stopped by {} after step {} of {}; {}", cause,
                                        state_.counters.step, total_steps_, how));
}

void Trainer::record(const std::string& status) {
  if (!store_) return;
  RunRecord row{.folder = std::filesystem::weakly_canonical(options_.out).string(),
                .recipe = recipe_.name,
                .system = recipe_.system->name,
                .status = status,
                .started = started_,
                .updated = timestamp(),
                .steps = state_.counters.step,
                .seconds = earlier_seconds_ + seconds_between(start_, Clock::now()),
                .metrics = state_.best ? to_json(state_.best->test) : Json::object()};
  try {
    store_->put(row);
  } catch (const Error& error) {
    say(fmt::format("the run is not recorded: {}", error.what()));
    store_.reset();
  }
}

TrainOutcome Trainer::outcome() {
  if (state_.best) load_weights(*model_, state_.best->weights);
  model_->eval();
  return {.test = state_.best ? state_.best->test : Metrics{},
          .history = history_,
          .model = model_,
          .task = task_,
          .steps = state_.counters.step,
          .seconds = state_.counters.seconds,
          .seed = config_.seed};
}

}  // namespace

std::string describe(const PhaseTimes& times) {
  const double total = std::max(times.total(), 1e-12);
  const auto share = [&](double part) { return 100 * part / total; };
  return fmt::format(
      "{} steps, {:.3f} ms each: data {:.1f} %, forward {:.1f} %, backward {:.1f} %, optimizer "
      "{:.1f} %, loop {:.1f} %",
      times.steps, 1e3 * total / static_cast<double>(std::max<int64_t>(times.steps, 1)),
      share(times.data), share(times.forward), share(times.backward), share(times.optimizer),
      share(times.other));
}

TrainOutcome train(const Recipe& recipe, const TrainOptions& options) {
  return Trainer(recipe, options).run();
}

}  // namespace tessera::train
