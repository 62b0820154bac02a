#include "tessera/train/run_store.h"

#include <filesystem>

#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "tessera/core/error.h"
#include "tessera/train/observer.h"

namespace tessera::cli {
namespace {

/// Looking into a store that is not there makes none.
train::RunStore open_store(const Arguments& arguments) {
  const std::string path = arguments.get("store", train::default_run_store());
  if (arguments.has("store") && !std::filesystem::exists(path)) {
    fail<Io>({.where = "runs",
              .rule = "--store names a store that is there",
              .got = path + ", which is not",
              .next = "`tessera train RECIPE --store " + path + "` makes one.",
              .id = "T-STORE-04"});
  }
  return train::RunStore(path);
}

Json to_json(const train::RunRecord& run) {
  return {{"id", run.id},         {"recipe", run.recipe},   {"system", run.system},
          {"status", run.status}, {"started", run.started}, {"updated", run.updated},
          {"steps", run.steps},   {"seconds", run.seconds}, {"metrics", run.metrics},
          {"folder", run.folder}};
}

std::string metrics_text(const Json& metrics) {
  std::string text;
  for (const auto& [name, value] : metrics.items()) {
    if (!text.empty()) text += "  ";
    text += name + " " + (value.is_number() ? fmt::format("{:.4g}", value.get<double>()) : "–");
  }
  return text;
}

}  // namespace

int runs_list(const Arguments& arguments) {
  const train::RunStore store = open_store(arguments);
  const auto& patterns = arguments.positional();
  const auto runs = store.list(patterns.empty() ? "" : patterns[0]);
  if (arguments.has("json")) {
    Json rows = Json::array();
    for (const train::RunRecord& run : runs) rows.push_back(to_json(run));
    put_json(rows);
    return 0;
  }
  if (runs.empty()) {
    line("No runs yet. `tessera train RECIPE` makes one.");
    return 0;
  }
  Table table({"run", "recipe", "status", "started", "steps", "time", "test", "folder"});
  for (const train::RunRecord& run : runs) {
    table.add({std::to_string(run.id), run.recipe, run.status, run.started,
               std::to_string(run.steps), train::describe_seconds(run.seconds),
               metrics_text(run.metrics), run.folder});
  }
  put(table.text());
  return 0;
}

int runs_show(const Arguments& arguments) {
  const train::RunRecord run = open_store(arguments).at(arguments.positional().at(0));
  if (arguments.has("json")) {
    put_json(to_json(run));
    return 0;
  }
  Table table;
  table.add({"run", std::to_string(run.id)});
  table.add({"recipe", run.recipe});
  table.add({"status", run.status});
  table.add({"started", run.started});
  table.add({"updated", run.updated});
  table.add({"steps", std::to_string(run.steps)});
  table.add({"time", train::describe_seconds(run.seconds)});
  table.add({"test", metrics_text(run.metrics)});
  table.add({"folder", run.folder});
  put(table.text());
  return 0;
}

int runs_compare(const Arguments& arguments) {
  const train::RunStore store = open_store(arguments);
  const train::RunRecord a = store.at(arguments.positional().at(0));
  const train::RunRecord b = store.at(arguments.positional().at(1));
  const auto differences = train::compare_runs(a, b);
  if (arguments.has("json")) {
    Json rows = Json::array();
    for (const train::RunDifference& row : differences) {
      rows.push_back({{"key", row.key}, {"a", row.a}, {"b", row.b}});
    }
    put_json(rows);
    return 0;
  }
  if (differences.empty()) {
    line("The two do not differ.");
    return 0;
  }
  Table table({"key", a.folder, b.folder});
  for (const train::RunDifference& row : differences) table.add({row.key, row.a, row.b});
  put(table.text());
  return 0;
}

}  // namespace tessera::cli
