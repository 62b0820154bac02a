#include "tessera/train/trainer.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <cmath>
#include <csignal>
#include <fstream>

#include "tessera/core/error.h"
#include "tessera/core/threads.h"
#include "tessera/io/file.h"
#include "tessera/io/tensor_file.h"
#include "tessera/train/evaluate.h"
#include "tessera/train/run_folder.h"
#include "tessera/train/run_store.h"
#include "tessera/train/toy_system_test.h"

namespace tessera::train {
namespace {

TrainOptions into(const std::string& out, bool resume = false, int64_t stop_after = 0) {
  TrainOptions options;
  options.out = out;
  options.resume = resume;
  options.stop_after = stop_after;
  options.run_store = "none";
  return options;
}

/// Trains in pieces of the given numbers of steps, then to the end.
TrainOutcome train_in_pieces(const Recipe& recipe, const std::string& out,
                             std::initializer_list<int64_t> pieces) {
  for (const int64_t steps : pieces) {
    EXPECT_THROW(train(recipe, into(out, /*resume=*/true, steps)), Interrupted);
  }
  return train(recipe, into(out, /*resume=*/true));
}

std::string file(const std::string& run, int64_t step, const std::string& name) {
  return io::read_text(run + "/checkpoints/step-" + std::to_string(step) + "/" + name);
}

/// The lines of metrics.jsonl without what the clock says.
std::vector<Json> timeless_metrics(const std::string& run) {
  auto lines = read_metrics(run + "/metrics.jsonl");
  for (Json& line : lines) line.erase("seconds");
  return lines;
}

class Recorder final : public Observer {
 public:
  void on_evaluation(const Evaluation& evaluation, bool is_best) override {
    steps.push_back(evaluation.step);
    if (is_best) best = evaluation.step;
    if (on_each) on_each();
  }
  void on_message(std::string_view message) override { messages.emplace_back(message); }

  std::vector<int64_t> steps;
  int64_t best = 0;
  std::vector<std::string> messages;
  std::function<void()> on_each;
};

TEST(Trainer, learns_and_returns_the_best_model) {
  Recorder recorder;
  TrainOptions options = into("");
  options.observer = &recorder;
  const TrainOutcome outcome =
      train(toy::recipe("epochs = 40\nlr = 0.02\n", "num_train = 200\nnoise = 0.0\n"), options);
  EXPECT_LT(metric(outcome.test, "loss"), 0.5 * metric(outcome.history.front().test, "loss"));
  double best = INFINITY;
  int64_t best_step = 0;
  for (const Evaluation& evaluation : outcome.history) {
    const double value = metric(evaluation.valid, "loss");
    if (value < best) best = value, best_step = evaluation.step;
  }
  EXPECT_EQ(recorder.best, best_step);
  EXPECT_EQ(
      evaluate(*outcome.model, *outcome.task, Split::kValid, {.batch_size = 4}).front().second,
      best);
  EXPECT_FALSE(outcome.model->is_training());
}

TEST(Trainer, a_resumed_run_equals_the_uninterrupted_one_bit_for_bit) {
  // 7 batches an epoch: 5, 4 and 9 steps stop in mid-epoch, 7 and 14 at an epoch's end.
  for (const std::string train_lines :
       {"", "accumulate = 3\nema_decay = 0.9\ngrad_clip_norm = 0.5\nweight_decay = 0.1\n",
        "optimizer = \"sgd\"\nmomentum = 0.9\nschedule = \"cosine\"\nevaluate_every = 2\n"}) {
    const toy::TemporaryFolder folder;
    const Recipe recipe = toy::recipe(train_lines + "checkpoint_every = 9\n");
    const TrainOutcome whole = train(recipe, into(folder / "whole"));
    const TrainOutcome parts = train_in_pieces(recipe, folder / "parts", {1, 2, 4, 1});
    ASSERT_EQ(whole.steps, parts.steps);
    for (const char* name : {"model.safetensors", "state.safetensors"}) {
      EXPECT_EQ(file(folder / "whole", whole.steps, name),
                file(folder / "parts", whole.steps, name))
          << train_lines << name;
    }
    EXPECT_EQ(timeless_metrics(folder / "whole"), timeless_metrics(folder / "parts"));
    EXPECT_EQ(whole.test, parts.test);
    EXPECT_EQ(whole.history.size(), parts.history.size());
  }
}

TEST(Trainer, equal_runs_are_equal_files_and_another_seed_is_another_run) {
  const toy::TemporaryFolder folder;
  train(toy::recipe(), into(folder / "a"));
  train(toy::recipe(), into(folder / "b"));
  train(toy::recipe("seed = 1\n"), into(folder / "c"));
  const std::string a = file(folder / "a", 28, "model.safetensors");
  EXPECT_EQ(a, file(folder / "b", 28, "model.safetensors"));
  EXPECT_NE(a, file(folder / "c", 28, "model.safetensors"));
  EXPECT_EQ(io::read_text(folder / "a/config.toml"), io::read_text(folder / "b/config.toml"));
}

TEST(Trainer, a_signal_writes_a_checkpoint_and_the_run_goes_on) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const toy::TemporaryFolder folder;
    const Recipe recipe = toy::recipe();
    train(recipe, into(folder / "whole"));
    Recorder recorder;
    recorder.on_each = [&] {
      if (recorder.steps.size() == 2) std::raise(signal);
    };
    TrainOptions options = into(folder / "run");
    options.observer = &recorder;
    try {
      train(recipe, options);
      FAIL() << "not interrupted";
    } catch (const Interrupted& interrupted) {
      EXPECT_EQ(interrupted.signal(), signal);
      EXPECT_NE(std::string(interrupted.what()).find("tessera train --resume"), std::string::npos);
    }
    EXPECT_TRUE(std::filesystem::exists(folder / "run/checkpoints/step-14"));
    train(recipe, into(folder / "run", /*resume=*/true));
    EXPECT_EQ(file(folder / "whole", 28, "model.safetensors"),
              file(folder / "run", 28, "model.safetensors"));
  }
}

TEST(Trainer, a_folder_that_holds_a_run_is_refused_without_resume) {
  const toy::TemporaryFolder folder;
  train(toy::recipe(), into(folder / "run"));
  try {
    train(toy::recipe(), into(folder / "run"));
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("--resume"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("--out"), std::string::npos);
  }
}

TEST(Trainer, a_folder_without_a_whole_checkpoint_starts_over) {
  const toy::TemporaryFolder folder;
  std::filesystem::create_directories(folder / "run/checkpoints/.step-7");
  io::write_atomically(folder / "run/metrics.jsonl", std::string_view("{\"step\":5}\n{\"st"));
  train(toy::recipe(), into(folder / "run"));
  EXPECT_EQ(read_metrics(folder / "run/metrics.jsonl").front().at("step"), 7);
}

TEST(Trainer, resuming_a_finished_run_returns_its_outcome_at_once) {
  const toy::TemporaryFolder folder;
  const TrainOutcome first = train(toy::recipe(), into(folder / "run"));
  const std::string metrics = io::read_text(folder / "run/metrics.jsonl");
  const TrainOutcome again = train(toy::recipe(), into(folder / "run", /*resume=*/true));
  EXPECT_EQ(first.test, again.test);
  EXPECT_EQ(first.history.size(), again.history.size());
  EXPECT_EQ(metrics, io::read_text(folder / "run/metrics.jsonl"));
  const auto a = weights_of(*first.model), b = weights_of(*again.model);
  for (const auto& [name, tensor] : a) EXPECT_TRUE(torch::equal(tensor, b.at(name))) << name;
}

TEST(Trainer, a_resumed_run_keeps_its_recipe_but_may_change_its_machine) {
  const toy::TemporaryFolder folder;
  EXPECT_THROW(train(toy::recipe(), into(folder / "run", false, 3)), Interrupted);
  try {
    train(toy::recipe("weight_decay = 0.5\n"), into(folder / "run", true));
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("/train/weight_decay"), std::string::npos)
        << error.what();
  }
  Recipe two_threads = toy::recipe();
  two_threads.run.threads = 2;
  Recorder recorder;
  TrainOptions options = into(folder / "run", true);
  options.observer = &recorder;
  train(two_threads, options);
  ASSERT_FALSE(recorder.messages.empty());
  EXPECT_NE(recorder.messages.front().find("1 threads"), std::string::npos);
}

TEST(Trainer, a_damaged_checkpoint_is_refused_by_name_and_the_one_before_goes_on) {
  const toy::TemporaryFolder folder;
  const Recipe recipe = toy::recipe("checkpoint_every = 5\n");
  train(recipe, into(folder / "whole"));
  EXPECT_THROW(train(recipe, into(folder / "run", false, 12)), Interrupted);
  const std::string damaged = folder / "run/checkpoints/step-12/state.safetensors";
  std::fstream(damaged, std::ios::in | std::ios::out | std::ios::binary).seekp(200).put('\x55');
  try {
    train(recipe, into(folder / "run", true));
    FAIL();
  } catch (const BadFile& error) {
    EXPECT_NE(std::string(error.what()).find("step-12/state.safetensors"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("step-10"), std::string::npos) << error.what();
  }
  std::filesystem::remove_all(folder / "run/checkpoints/step-12");
  train(recipe, into(folder / "run", true));
  EXPECT_EQ(file(folder / "whole", 28, "model.safetensors"),
            file(folder / "run", 28, "model.safetensors"));
  EXPECT_EQ(timeless_metrics(folder / "whole"), timeless_metrics(folder / "run"));
}

TEST(Trainer, keeps_as_many_checkpoints_as_asked) {
  const toy::TemporaryFolder folder;
  train(toy::recipe("checkpoint_every = 5\nkeep_checkpoints = 2\n"), into(folder / "run"));
  EXPECT_FALSE(std::filesystem::exists(folder / "run/checkpoints/step-20"));
  EXPECT_TRUE(std::filesystem::exists(folder / "run/checkpoints/step-25"));
  EXPECT_TRUE(std::filesystem::exists(folder / "run/checkpoints/step-28"));
}

TEST(Trainer, a_loss_that_is_not_finite_names_its_step_and_the_last_checkpoint) {
  const toy::TemporaryFolder folder;
  const Recipe recipe = toy::recipe("checkpoint_every = 3\n", "explode_at = 11\n");
  try {
    train(recipe, into(folder / "run"));
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_NE(std::string(error.what()).find("step 11"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("step-9"), std::string::npos) << error.what();
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "run/checkpoints/step-12"));
}

TEST(Trainer, early_stopping_ends_the_run_for_good) {
  const toy::TemporaryFolder folder;
  // With a rate of zero nothing beats the first evaluation.
  const Recipe recipe = toy::recipe("epochs = 50\nlr = 0.0\nearly_stop_patience = 3\n", "", "",
                                    "batch_norm = false\n");
  EXPECT_EQ(train(recipe, into(folder / "run")).steps, 4 * 7);
  EXPECT_EQ(train(recipe, into(folder / "run", true)).steps, 4 * 7);
}

TEST(Trainer, evaluations_come_at_their_steps_and_after_the_last) {
  Recorder recorder;
  TrainOptions options = into("");
  options.observer = &recorder;
  train(toy::recipe("evaluate_every_steps = 6\nsteps = 20\n"), options);
  EXPECT_EQ(recorder.steps, (std::vector<int64_t>{6, 12, 18, 20}));
  recorder.steps.clear();
  train(toy::recipe("evaluate_every = 0\n"), options);
  EXPECT_EQ(recorder.steps, std::vector<int64_t>{28});
}

TEST(Trainer, without_a_validation_split_the_last_model_is_tested) {
  const TrainOutcome outcome = train(toy::recipe("", "num_valid = 0\n"), into(""));
  ASSERT_EQ(outcome.test.size(), 1u);
  EXPECT_EQ(outcome.test.front().second, outcome.history.back().test.front().second);
}

TEST(Trainer, accumulated_batches_are_one_larger_batch) {
  // Without what depends on the batch (noise, dropout, batch norm) the means agree.
  const auto weights_after = [](const std::string& lines) {
    const Recipe recipe =
        toy::recipe(lines + "shuffle = false\nsteps = 1\noptimizer = \"sgd\"\nlr = 0.5\n",
                    "num_train = 24\nnoise = 0.0\n", "dtype = \"float64\"\n",
                    "batch_norm = false\ndropout = 0.0\n");
    return weights_of(*train(recipe, into("")).model).at("hidden.weight");
  };
  const at::Tensor one = weights_after("batch_size = 8\n");
  EXPECT_TRUE(torch::allclose(one, weights_after("accumulate = 2\n"), 1e-12, 1e-14));
  EXPECT_FALSE(torch::allclose(one, weights_after("accumulate = 1\n"), 1e-6, 1e-6));
}

TEST(Trainer, autocast_trains_in_bfloat16_with_float_weights) {
  const TrainOutcome outcome = train(toy::recipe("", "", "dtype = \"bfloat16\"\n"), into(""));
  for (const auto& parameter : outcome.model->parameters()) {
    EXPECT_EQ(parameter.scalar_type(), torch::kFloat);
  }
  EXPECT_NE(outcome.test, train(toy::recipe(), into("")).test);
}

TEST(Trainer, float64_runs_in_double) {
  const TrainOutcome outcome = train(toy::recipe("", "", "dtype = \"float64\"\n"), into(""));
  EXPECT_EQ(outcome.model->parameters().front().scalar_type(), torch::kDouble);
}

TEST(Trainer, the_best_model_is_what_a_run_folder_gives) {
  const toy::TemporaryFolder folder;
  const Recipe recipe = toy::recipe("ema_decay = 0.5\n");
  const TrainOutcome outcome = train(recipe, into(folder / "run"));
  const auto model = load_run_model(recipe, folder / "run");
  const Metrics test = evaluate(*model, *outcome.task, Split::kTest, {.batch_size = 4});
  EXPECT_EQ(test, outcome.test);
  EXPECT_THROW(load_run_model(recipe, folder / "nowhere"), BadFile);
  EXPECT_THROW(load_run_recipe(folder / "nowhere"), BadFile);
}

TEST(Trainer, an_evaluation_changes_neither_the_mode_nor_the_generators) {
  const Recipe recipe = toy::recipe();
  const auto model = make_model(recipe);
  const auto task = make_task(recipe);
  model->train();
  torch::manual_seed(5);
  const Metrics first = evaluate(*model, *task, Split::kValid, {.batch_size = 4, .seed = 7});
  EXPECT_TRUE(model->is_training());
  const auto drawn = torch::rand(3);
  torch::manual_seed(5);
  EXPECT_TRUE(torch::equal(drawn, torch::rand(3)));
  EXPECT_EQ(first, evaluate(*model, *task, Split::kValid, {.batch_size = 4, .seed = 7}));
}

TEST(Trainer, the_store_remembers_the_run_and_its_end) {
  const toy::TemporaryFolder folder;
  TrainOptions options = into(folder / "run", false, 3);
  options.run_store = folder / "runs.sqlite";
  EXPECT_THROW(train(toy::recipe(), options), Interrupted);
  EXPECT_EQ(RunStore(options.run_store).list().front().status, "interrupted");
  options.resume = true;
  options.stop_after = 0;
  train(toy::recipe(), options);
  const auto rows = RunStore(options.run_store).list();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].status, "finished");
  EXPECT_EQ(rows[0].steps, 28);
  EXPECT_TRUE(rows[0].metrics.contains("loss"));
}

TEST(Trainer, a_store_that_cannot_be_opened_is_one_warning) {
  const toy::TemporaryFolder folder;
  Recorder recorder;
  TrainOptions options = into(folder / "run");
  options.run_store = "/proc/no/runs.sqlite";
  options.observer = &recorder;
  EXPECT_EQ(train(toy::recipe(), options).steps, 28);
  EXPECT_EQ(recorder.messages.size(), 1u);
}

TEST(Trainer, times_add_up_and_the_report_is_written_at_the_end) {
  const toy::TemporaryFolder folder;
  PhaseTimes times;
  std::string reported;
  TrainOptions options = into(folder / "run");
  options.times = &times;
  options.write_report = [&](const std::string& run) { reported = run; };
  const TrainOutcome outcome = train(toy::recipe(), options);
  EXPECT_EQ(times.steps, 28);
  EXPECT_GT(times.forward, 0);
  EXPECT_LE(times.total(), outcome.seconds + 1);
  EXPECT_EQ(reported, options.out);
  EXPECT_NE(describe(times).find("28 steps"), std::string::npos);
}

}  // namespace
}  // namespace tessera::train
