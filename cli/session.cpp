#include "cli/session.h"

#include <filesystem>

#include "cli/verbs.h"
#include "cli/weights.h"
#include "tessera/core/error.h"
#include "tessera/core/paths.h"
#include "tessera/core/threads.h"
#include "tessera/io/file.h"
#include "tessera/io/tensor_file.h"
#include "tessera/train/masked_model.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;

bool lists(const Arguments& arguments, std::string_view option) {
  const auto& options = arguments.verb().options;
  return std::any_of(options.begin(), options.end(),
                     [&](const Option& candidate) { return candidate.name == option; });
}

/// The model in a bundle's file, where a method gave the network its form; else null.
std::shared_ptr<Model> formed_model(const io::TensorFile& file, const train::RunConfig& run) {
  const std::string *method = file.find_metadata("method"),
                    *network = file.find_metadata("network"),
                    *settings = file.find_metadata("settings");
  if (!method || !network || !settings) return nullptr;
  const auto parsed = [](const std::string& text) {
    return Json::parse(text, nullptr, /*allow_exceptions=*/false);
  };
  const nn::WeightedNetwork stored{nn::network_from_json(parsed(*network)),
                                   file.tensors.to(train::device_of(run), train::dtype_of(run))};
  return model_of(network_methods().at(*method).reopen(stored, parsed(*settings)));
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
  if (!has_weights && is_run && fs::exists(bundled)) {
    const io::TensorFile file = io::read_tensor_file(bundled.string(), io::Storage::kCopied);
    trained.model = formed_model(file, trained.recipe.run);
    if (trained.model) {
      trained.method = *file.find_metadata("method");
      trained.model->eval();
      return trained;
    }
  }
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

void check_new_folder(const Arguments& arguments, const std::string& folder) {
  if (!fs::exists(folder) || (fs::is_directory(folder) && fs::is_empty(folder))) return;
  fail<InvalidArgument>({.where = arguments.verb().name,
                         .rule = folder + " is a new or empty folder",
                         .got = fs::is_directory(folder) ? "one with files in it" : "a file",
                         .id = "T-CLI-09"});
}

void write_bundle(const std::string& folder, const train::Recipe& recipe, const NetworkForm& form,
                  const std::string& method, const Json& settings) {
  const nn::WeightedNetwork plain = form.weighted();
  fs::create_directories(folder);
  io::write_atomically((fs::path(folder) / "config.toml").string(),
                       write_toml(train::to_json(recipe)));
  io::write_tensor_file((fs::path(folder) / "model.safetensors").string(), plain.weights,
                        {{"network", nn::to_json(plain.network).dump()},
                         {"method", method},
                         {"settings", settings.dump()},
                         {"recipe", recipe.name},
                         {"system", recipe.system->name}});
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
