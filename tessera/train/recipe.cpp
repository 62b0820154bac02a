#include "tessera/train/recipe.h"

#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <algorithm>
#include <filesystem>

#include "tessera/core/error.h"
#include "tessera/core/paths.h"
#include "tessera/core/text.h"
#include "tessera/core/threads.h"

namespace tessera::train {
namespace {

namespace fs = std::filesystem;

/// The file of a recipe and the name that its runs carry.
std::pair<std::string, std::string> find_recipe(const std::string& path_or_name) {
  if (path_or_name.ends_with(".toml")) {
    return {path_or_name, fs::path(path_or_name).stem().string()};
  }
  const std::string shipped = resource_path("recipes/" + path_or_name + ".toml");
  if (!fs::is_regular_file(shipped)) {
    const auto names = recipe_names();
    fail<InvalidArgument>({.where = "recipe",
                           .rule = "no recipe named \"" + path_or_name + "\"",
                           .next = did_you_mean(path_or_name, names),
                           .id = "T-REC-01"});
  }
  return {shipped, path_or_name};
}

/// A section of the document without the keys that are not fields of its config.
Json section_of(const Document& document, const std::string& name) {
  const auto it = document.values.find(name);
  return it == document.values.end() ? Json::object() : *it;
}

std::string word_at(const Document& document, const Json& table, const std::string& key,
                    const std::string& path) {
  if (table.contains(key) && table.at(key).is_string()) return table.at(key).get<std::string>();
  const auto origin = document.origins.find(path);
  const std::string where = origin == document.origins.end() ? "" : origin->second + ": ";
  fail<InvalidArgument>({.where = "recipe",
                         .rule = where + path + " is a name",
                         .got = table.contains(key) ? table.at(key).dump() : "nothing",
                         .next = "For example system = \"egnn\", and name = \"nbody\" in [task].",
                         .id = "T-REC-02"});
}

void check_sections(const Document& document) {
  static const std::vector<std::string> kSections = {"name",  "system", "model", "task",
                                                     "train", "run",    "expect"};
  for (const auto& [key, value] : document.values.items()) {
    if (std::find(kSections.begin(), kSections.end(), key) != kSections.end()) continue;
    const auto origin = document.origins.find(key);
    fail<InvalidArgument>({.where = "recipe",
                           .rule = (origin == document.origins.end() ? "" : origin->second + ": ") +
                                   "unknown key \"" + key + "\"",
                           .next = did_you_mean(key, kSections),
                           .id = "T-REC-03"});
  }
}

const TaskFactory& find_task(const System& system, const std::string& name) {
  std::vector<std::string> names;
  for (const TaskFactory& factory : system.tasks) {
    if (factory.name == name) return factory;
    names.push_back(factory.name);
  }
  fail<InvalidArgument>({.where = "recipe",
                         .rule = system.name + " has no task \"" + name + "\"",
                         .next = did_you_mean(name, names),
                         .id = "T-REC-04"});
}

/// A length given as a setting takes the place of the one in the file.
void replace_length(Document& document, const std::vector<std::string>& settings) {
  const auto is_set = [&](const std::string& key) {
    return std::any_of(settings.begin(), settings.end(), [&](const std::string& setting) {
      return setting.starts_with("train." + key + "=");
    });
  };
  if (!document.values.contains("train") || is_set("steps") == is_set("epochs")) return;
  document.values["train"].erase(is_set("steps") ? "epochs" : "steps");
}

}  // namespace

Recipe load_recipe(const std::string& path_or_name, const std::vector<std::string>& settings) {
  const auto [path, name] = find_recipe(path_or_name);
  Document document = read_toml_file(path);
  for (const std::string& setting : settings) apply_setting(document, setting);
  replace_length(document, settings);
  return read_recipe(document, name);
}

Recipe read_recipe(const Document& document, const std::string& name,
                   const Registry<System>& registry) {
  check_sections(document);
  Recipe recipe;
  recipe.name =
      document.values.contains("name") ? word_at(document, document.values, "name", "name") : name;
  recipe.system = &registry.at(word_at(document, document.values, "system", "system"));

  Json task = section_of(document, "task");
  recipe.task_factory = &find_task(*recipe.system, word_at(document, task, "name", "task.name"));
  task.erase("name");
  recipe.task = recipe.task_factory->config();
  read_config(*recipe.task, task, "task", document.origins);

  recipe.model = recipe.system->model.config();
  read_config(*recipe.model, section_of(document, "model"), "model", document.origins);
  read_config(recipe.train, section_of(document, "train"), "train", document.origins);
  read_config(recipe.run, section_of(document, "run"), "run", document.origins);
  read_config(recipe.expect, section_of(document, "expect"), "expect", document.origins);
  return recipe;
}

std::vector<std::string> recipe_names(const std::string& system) {
  std::vector<std::string> names;
  const fs::path root = resource_path("recipes");
  if (!fs::is_directory(root)) return names;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.path().extension() != ".toml") continue;
    std::string name = entry.path().lexically_relative(root).replace_extension().generic_string();
    if (system.empty() || name.starts_with(system + "/")) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

Json to_json(const Recipe& recipe) {
  Json task = {{"name", recipe.task_factory->name}};
  task.update(write_config(*recipe.task));
  // A config lists its fields through pointers that may write, so it is asked through a copy.
  TrainConfig train = recipe.train;
  RunConfig run = recipe.run;
  ExpectConfig expect = recipe.expect;
  return {{"name", recipe.name},
          {"system", recipe.system->name},
          {"model", write_config(*recipe.model)},
          {"task", std::move(task)},
          {"train", write_config(train)},
          {"run", write_config(run)},
          {"expect", write_config(expect)}};
}

int apply(const RunConfig& run) {
  set_deterministic(run.deterministic);
  return set_threads(static_cast<int>(run.threads));
}

at::Device device_of(const RunConfig& run) {
  const bool is_cuda = run.device == "cuda" || run.device.starts_with("cuda:");
  const std::string digits = is_cuda && run.device.size() > 5 ? run.device.substr(5) : "0";
  const bool is_number = digits.size() <= 2 && std::all_of(digits.begin(), digits.end(), ::isdigit);
  if (run.device == "cpu") return at::kCPU;
  if (!is_cuda || !is_number) {
    fail<InvalidArgument>({.where = "run",
                           .rule = "run.device is cpu, cuda or cuda:N",
                           .got = "\"" + run.device + "\"",
                           .id = "T-RUN-04"});
  }
  const int index = std::stoi(digits);
  const int count = at::globalContext().hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0;
  if (index >= count) {
    fail<Unsupported>({.where = "run",
                       .rule = run.device + " needs a CUDA device and a build of torch for it",
                       .got = std::to_string(count) + " devices",
                       .next = "Use run.device=cpu; `tessera doctor` shows what is there.",
                       .id = "T-RUN-05"});
  }
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
}

at::ScalarType dtype_of(const RunConfig& run) {
  return run.dtype == "float64" ? at::kDouble : at::kFloat;
}

std::unique_ptr<Task> make_task(const Recipe& recipe, const std::string& data_root,
                                const ProgressFunction& progress) {
  return recipe.task_factory->make(
      *recipe.task, {.data_root = data_root.empty() ? default_data_root() : data_root,
                     .dtype = dtype_of(recipe.run),
                     .seed = static_cast<uint64_t>(recipe.train.seed),
                     .progress = progress});
}

std::shared_ptr<Model> make_model(const Recipe& recipe) {
  seed_default_generators(static_cast<uint64_t>(recipe.train.seed));
  std::shared_ptr<Model> model = recipe.system->model.make(*recipe.model);
  model->to(device_of(recipe.run), dtype_of(recipe.run));
  return model;
}

}  // namespace tessera::train
