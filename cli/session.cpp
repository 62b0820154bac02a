#include "cli/session.h"

#include <filesystem>

#include "cli/verbs.h"
#include "cli/weights.h"
#include "tessera/core/error.h"
#include "tessera/core/paths.h"
#include "tessera/core/threads.h"
#include "tessera/train/masked_model.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;

bool lists(const Arguments& arguments, std::string_view option) {
  const auto& options = arguments.verb().options;
  return std::any_of(options.begin(), options.end(),
                     [&](const Option& candidate) { return candidate.name == option; });
}

}  // namespace

std::vector<std::string> recipe_settings(const Arguments& arguments) {
  std::vector<std::string> settings;
  if (lists(arguments, "set")) settings = arguments.all("set");
  for (const char* key : {"device", "dtype", "threads"}) {
    if (lists(arguments, key) && arguments.has(key)) {
      settings.push_back(std::string("run.") + key + "=" + arguments.get(key));
    }
  }
  return settings;
}

void use_threads(const Arguments& arguments, int otherwise) {
  // The bounds of run.threads.
  train::RunConfig run;
  read_config(run, {{"threads", arguments.integer("threads", otherwise, 0)}}, "run",
              {{"run.threads", "--threads"}});
  set_threads(static_cast<int>(run.threads));
  set_deterministic(true);
}

at::Device device_argument(const Arguments& arguments) {
  train::RunConfig run;
  run.device = arguments.get("device", "cpu");
  return train::device_of(run);
}

std::string data_root(const Arguments& arguments) {
  return arguments.get("data", default_data_root());
}

Trained open_trained(const Arguments& arguments) {
  const std::string& source = arguments.positional().at(0);
  const std::vector<std::string> settings = recipe_settings(arguments);
  const bool has_weights = lists(arguments, "weights") && arguments.has("weights");
  const bool is_run = fs::is_directory(source);

  Trained trained;
  trained.recipe =
      is_run ? train::load_run_recipe(source, settings) : train::load_recipe(source, settings);
  train::apply(trained.recipe.run);
  const fs::path bundled = fs::path(source) / "model.safetensors";
  if (has_weights || (is_run && fs::exists(bundled))) {
    const std::string file = has_weights ? arguments.get("weights") : bundled.string();
    const WeightFile weights = read_weights(file);
    trained.model = train::make_trained_model(
        trained.recipe, to_ours(weights.tensors, *trained.recipe.system, *trained.recipe.model));
  } else if (is_run) {
    trained.model = train::load_run_model(trained.recipe, source);
  } else {
    fail<InvalidArgument>({.where = arguments.verb().name,
                           .rule = "a recipe needs weights",
                           .got = "none",
                           .next = "Give --weights FILE, or the folder of a run.",
                           .id = "T-CLI-03"});
  }
  return trained;
}

std::vector<const System*> systems_matching(const std::vector<std::string>& patterns) {
  std::vector<const System*> chosen;
  const auto add = [&](const System* system) {
    if (std::find(chosen.begin(), chosen.end(), system) == chosen.end()) chosen.push_back(system);
  };
  if (patterns.empty()) {
    for (const System& system : systems().all()) add(&system);
  }
  for (const std::string& pattern : patterns) {
    for (const System* system : systems().matching(pattern)) add(system);
  }
  return chosen;
}

}  // namespace tessera::cli
