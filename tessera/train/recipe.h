#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tessera/core/config.h"
#include "tessera/systems/system.h"
#include "tessera/train/train_config.h"

namespace tessera::train {

/// A complete training: what `recipes/<system>/<task>.toml` and a run's `config.toml` hold.
struct Recipe {
  std::string name;  ///< "egnn/nbody"; of a file elsewhere its stem
  const System* system = nullptr;
  std::unique_ptr<Config> model;
  const TaskFactory* task_factory = nullptr;
  std::unique_ptr<Config> task;
  TrainConfig train;
  RunConfig run;
  ExpectConfig expect;
};

/// Reads `<system>/<task>` (from the recipes that ship with Tessera) or a path, with `settings`
/// ("train.lr=0.001") on top. Sections: system, [model], [task] with name, [train], [run],
/// [expect]. `train.steps` among the settings replaces `train.epochs` of the file and vice versa.
/// Throws InvalidArgument with file:line on an unknown key or a value out of range.
Recipe load_recipe(const std::string& path_or_name, const std::vector<std::string>& settings = {});

/// The same from a document that was read already. `name` is used where the document has none.
Recipe read_recipe(const Document& document, const std::string& name,
                   const Registry<System>& registry = systems());

/// The names of the recipes that ship with Tessera, sorted; of one system where it is given.
std::vector<std::string> recipe_names(const std::string& system = "");

/// Everything as resolved; write_toml of it is `config.toml` and reads back the same.
Json to_json(const Recipe& recipe);

using ProgressFunction = std::function<void(const std::string& what, double fraction)>;

/// Sets threads and determinism as the recipe's [run] says; returns the threads in use.
int apply(const RunConfig& run);

/// The device of [run]. Throws Unsupported where it is not there.
at::Device device_of(const RunConfig& run);
/// The type of parameters and batches: double for "float64", else float ("bfloat16" is
/// autocast over float, in the forward pass of training).
at::ScalarType dtype_of(const RunConfig& run);

std::unique_ptr<Task> make_task(const Recipe& recipe, const std::string& data_root = "",
                                const ProgressFunction& progress = {});

/// Seeds the default generators from train.seed, builds the model, casts and moves it.
std::shared_ptr<Model> make_model(const Recipe& recipe);

}  // namespace tessera::train
