#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "tessera/systems/network_method.h"
#include "tessera/train/recipe.h"
#include "tessera/train/trainer.h"

namespace tessera::cli {

/// The --set values, followed by what --device, --dtype and --threads mean in a recipe.
std::vector<std::string> recipe_settings(const Arguments& arguments);

/// --threads for verbs without a recipe; `otherwise` where it was not given. 0 takes every core.
void use_threads(const Arguments& arguments, int otherwise = 0);
/// --device for verbs without a recipe. Throws Unsupported where it is not there.
at::Device device_argument(const Arguments& arguments);

/// --data, or the user's data root.
std::string data_root(const Arguments& arguments);

/// A recipe and its model with weights, in evaluation mode on the recipe's device.
struct Trained {
  train::Recipe recipe;
  std::shared_ptr<Model> model;
  std::string method;  ///< of a bundle: what gave the network its form, "spikes"; empty: nothing
};

/// Writes a bundle that `eval` and `predict` open: the recipe, and the network in the form that a
/// method gave it with `settings`. Throws InvalidArgument where the folder holds files.
void write_bundle(const std::string& folder, const train::Recipe& recipe, const NetworkForm& form,
                  const std::string& method, const Json& settings);
/// Throws InvalidArgument where the folder is there and holds files.
void check_new_folder(const Arguments& arguments, const std::string& folder);

/// Opens what `eval`, `predict` and `export` are given: a run folder, an exported bundle, or a
/// recipe with --weights. Sets threads and determinism as its [run] says.
Trained open_trained(const Arguments& arguments);

/// The systems that patterns name, each once; all where there are none.
std::vector<const System*> systems_matching(const std::vector<std::string>& patterns);

}  // namespace tessera::cli
