#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tessera/systems/claim.h"
#include "tessera/train/observer.h"
#include "tessera/train/recipe.h"

namespace tessera::report {

/// Makes the observer of one training from its title; empty: no progress is shown.
using ObserverFactory = std::function<std::unique_ptr<train::Observer>(const std::string& title)>;

struct LabOptions {
  Scale scale = Scale::kQuick;
  std::string runs;                   ///< folder of the run folders
  std::string data_root;              ///< empty: the user's
  std::vector<std::string> settings;  ///< on top of every training
  std::string run_store;              ///< as in train::TrainOptions
  ObserverFactory observer;
  /// Where recipes come from.
  std::function<train::Recipe(const std::string&, const std::vector<std::string>&)> load_recipe =
      [](const std::string& name, const std::vector<std::string>& settings) {
        return train::load_recipe(name, settings);
      };
};

/// Trains for claims. A training is known by its complete configuration: asked for twice it is made
/// once, and one whose run folder is there already is read or resumed instead.
class TrainingLab final : public Lab {
 public:
  explicit TrainingLab(LabOptions options) : options_(std::move(options)) {}

  Scale scale() const override { return options_.scale; }
  TrainOutcome train(const std::string& recipe, const std::vector<std::string>& settings) override;
  Metrics evaluate(Model& model, const Task& task, Split split) override;
  void progress(const std::string& what, double fraction) override;

  /// Shown before the name of each training: "2/5 egnn/nbody_order".
  void set_title(std::string title);
  /// Seconds that earlier calls spent on trainings that were read or resumed since the last call of
  /// this function.
  double take_earlier_seconds();

 private:
  LabOptions options_;
  std::string title_;
  std::map<std::string, TrainOutcome> finished_;  // by run folder
  std::unique_ptr<train::Observer> progress_;
  double earlier_seconds_ = 0;
};

}  // namespace tessera::report
