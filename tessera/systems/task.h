#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tessera/core/config.h"
#include "tessera/core/rng.h"
#include "tessera/core/tensor_map.h"

namespace tessera {

enum class Split { kTrain, kValid, kTest };
const char* name_of(Split split);  ///< "train", "valid", "test"
Split split_of(std::string_view name);

/// Weighted sums of what is measured on the batches of a split.
class Tally {
 public:
  void add(const std::string& name, double value, double weight = 1.0);
  double sum(const std::string& name) const;     ///< Σ value·weight; 0 where never added
  double weight(const std::string& name) const;  ///< Σ weight
  double mean(const std::string& name) const;    ///< sum / weight; NaN where weight is 0
  std::vector<std::string> names() const;        ///< in the order of their first add

 private:
  struct Sum {
    std::string name;
    double sum = 0, weight = 0;
  };
  std::vector<Sum> sums_;
};

/// Metrics in the order in which they are shown. Each task has "loss" among them.
using Metrics = std::vector<std::pair<std::string, double>>;

/// What a batch may depend on besides its examples.
struct BatchContext {
  Split split;
  at::Generator generator;  ///< noise and augmentation draw from here (train: saved with the run)
};

/// A data set bound to a loss and to metrics. Batches are made on the CPU in the task's dtype.
class Task {
 public:
  virtual ~Task() = default;

  /// Called before the batches of an epoch (from 0), also when a run goes on in its midst; what is
  /// evaluated afterwards belongs to that epoch. For data that change with time: a curriculum.
  virtual void begin_epoch(int64_t epoch) { (void)epoch; }

  /// Number of examples of a split.
  virtual int64_t size(Split split) const = 0;
  /// Collates examples into the model's inputs and the loss's targets.
  virtual TensorMap batch(std::span<const int64_t> examples, BatchContext& context) const = 0;
  /// The scalar to differentiate.
  virtual at::Tensor loss(const TensorMap& outputs, const TensorMap& batch) const = 0;
  /// Adds a batch's sums to the tally.
  virtual void measure(const TensorMap& outputs, const TensorMap& batch, Tally& tally) const = 0;
  /// From the sums of a whole split to metrics; by default every mean.
  virtual Metrics metrics(const Tally& tally) const;
  /// The metric that chooses the best model on the validation split, and its direction.
  virtual std::string selection_metric() const { return "loss"; }
  virtual bool larger_is_better() const { return false; }
};

/// What a task needs from outside.
struct TaskContext {
  std::string data_root;  ///< `--data`; the user's cache by default
  at::ScalarType dtype = at::kFloat;
  uint64_t seed = 0;
  std::function<void(const std::string& what, double fraction)> progress;  ///< may be empty
};

struct TaskFactory {
  std::string name;     ///< "nbody": the `task.name` of a recipe
  std::string summary;  ///< one line
  std::function<std::unique_ptr<Config>()> config;
  std::function<std::unique_ptr<Task>(const Config&, const TaskContext&)> make;
};

template <class ConfigT>
TaskFactory task_factory(
    std::string name, std::string summary,
    std::function<std::unique_ptr<Task>(const ConfigT&, const TaskContext&)> make) {
  return {.name = std::move(name),
          .summary = std::move(summary),
          .config = [] { return std::make_unique<ConfigT>(); },
          .make =
              [make](const Config& config, const TaskContext& context) {
                return make(dynamic_cast<const ConfigT&>(config), context);
              }};
}

}  // namespace tessera
