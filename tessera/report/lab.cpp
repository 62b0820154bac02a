#include "tessera/report/lab.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <span>

#include "tessera/io/hash.h"
#include "tessera/report/run_report.h"
#include "tessera/train/evaluate.h"

namespace tessera::report {
namespace {

// "egnn-nbody-3f2a90c4d1": readable, and different for each complete configuration.
std::string folder_name(const train::Recipe& recipe) {
  std::string name = recipe.name;
  std::replace(name.begin(), name.end(), '/', '-');
  const std::string text = train::to_json(recipe).dump();
  return name + "-" + io::xxh3_hex(std::as_bytes(std::span(text))).substr(0, 10);
}

}  // namespace

TrainOutcome TrainingLab::train(const std::string& name, const std::vector<std::string>& settings) {
  std::vector<std::string> all = settings;
  all.insert(all.end(), options_.settings.begin(), options_.settings.end());
  const train::Recipe recipe = options_.load_recipe(name, all);
  const std::string folder = (std::filesystem::path(options_.runs) / folder_name(recipe)).string();
  if (const auto found = finished_.find(folder); found != finished_.end()) return found->second;

  const std::string title = title_.empty() ? name : title_ + ": " + name;
  const std::unique_ptr<train::Observer> observer =
      options_.observer ? options_.observer(title) : nullptr;
  const auto start = std::chrono::steady_clock::now();
  train::TrainOptions options;
  options.out = folder;
  options.resume = true;
  options.data_root = options_.data_root;
  options.observer = observer.get();
  options.run_store = options_.run_store;
  options.write_report = write_run_report;
  TrainOutcome outcome = train::train(recipe, options);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  earlier_seconds_ += std::max(0.0, outcome.seconds - spent.count());
  return finished_.emplace(folder, std::move(outcome)).first->second;
}

Metrics TrainingLab::evaluate(Model& model, const Task& task, Split split) {
  return train::evaluate(model, task, split, {.batch_size = 100});
}

void TrainingLab::progress(const std::string& what, double fraction) {
  if (!options_.observer) return;
  if (!progress_) progress_ = options_.observer(title_);
  progress_->on_progress(what, fraction);
  if (fraction >= 1) progress_.reset();
}

void TrainingLab::set_title(std::string title) {
  title_ = std::move(title);
  progress_.reset();
}

double TrainingLab::take_earlier_seconds() { return std::exchange(earlier_seconds_, 0.0); }

}  // namespace tessera::report
