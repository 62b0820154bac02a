#include <algorithm>
#include <filesystem>

#include "cli/output.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "tessera/core/paths.h"
#include "tessera/core/text.h"
#include "tessera/systems/system.h"
#include "tessera/train/train_config.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;

Json config_json(Config& config) {
  Json rows = Json::array();
  for (const FieldRow& row : describe_config(config)) {
    rows.push_back({{"name", row.name},
                    {"type", row.type},
                    {"default", row.default_value},
                    {"range", row.range},
                    {"unit", row.unit},
                    {"help", row.help},
                    {"authors_name", row.authors_name}});
  }
  return rows;
}

// A list of words wider than this would push everything beside it out of sight.
constexpr size_t kWidestRange = 28;

Table config_table(Config& config) {
  Table table({"key", "type", "default", "range", "unit", "authors' name", "what it is"});
  for (const FieldRow& row : describe_config(config)) {
    const bool is_wide = display_width(row.range) > kWidestRange;
    table.add({row.name, row.type, row.default_value, is_wide ? "" : row.range, row.unit,
               row.authors_name, is_wide ? row.help + ": " + row.range : row.help});
  }
  return table;
}

Table names_table(const std::vector<std::string>& names) {
  Table table;
  if (!names.empty()) table.add({join(names, ", ")});
  return table;
}

void section(const std::string& title, const Table& table) {
  if (!table.empty()) put("\n" + title + "\n" + table.text(2));
}

/// The names of the cases that ship with Tessera.
std::vector<std::string> case_names(const System& system) {
  std::vector<std::string> names;
  std::error_code none;
  for (const auto& entry :
       fs::directory_iterator(resource_path("tests/cases/" + system.name), none)) {
    if (entry.path().extension() == ".safetensors") names.push_back(entry.path().stem());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string scales_text(const Claim& claim) {
  std::vector<std::string> names;
  for (const Scale scale : claim.scales) names.push_back(name_of(scale));
  return join(names, ", ");
}

const char* kind_text(const Claim& claim) {
  return claim.kind == Claim::Kind::kGate ? "gate" : "finding";
}

Json to_json(const System& system) {
  Json out = {{"name", system.name},           {"title", system.title},
              {"paper", system.paper},         {"kind", system.kind},
              {"reference", system.reference}, {"model", config_json(*system.model.config())}};
  for (const char* key :
       {"tasks", "recipes", "claims", "cases", "procedures", "workloads", "data"}) {
    out[key] = Json::array();
  }
  for (const TaskFactory& task : system.tasks) {
    out["tasks"].push_back(
        {{"name", task.name}, {"summary", task.summary}, {"config", config_json(*task.config())}});
  }
  out["recipes"] = train::recipe_names(system.name);
  for (const Claim& claim : system.claims) {
    Json scales = Json::array();
    for (const Scale scale : claim.scales) scales.push_back(name_of(scale));
    out["claims"].push_back({{"name", claim.name},
                             {"kind", kind_text(claim)},
                             {"statement", claim.statement},
                             {"quantity", claim.quantity},
                             {"paper", claim.paper ? Json(*claim.paper) : Json(nullptr)},
                             {"paper_source", claim.paper_source},
                             {"scales", scales}});
  }
  out["cases"] = case_names(system);
  for (const Procedure& procedure : system.procedures) {
    out["procedures"].push_back({{"name", procedure.name}, {"summary", procedure.summary}});
  }
  for (const Workload& workload : system.workloads) {
    out["workloads"].push_back({{"name", workload.name}, {"summary", workload.summary}});
  }
  for (const DataSource& data : system.data) {
    out["data"].push_back(
        {{"name", data.name}, {"summary", data.summary}, {"licence", data.licence}});
  }
  return out;
}

void print(const System& system) {
  line("{}: {}", system.name, system.title);
  line("{}", system.paper);
  line("{}; authors' code {}", system.kind, system.reference);
  section("[model]", config_table(*system.model.config()));
  for (const TaskFactory& task : system.tasks) {
    section("[task] name = \"" + task.name + "\": " + task.summary, config_table(*task.config()));
  }
  section("Recipes of `tessera train`", names_table(train::recipe_names(system.name)));
  Table claims({"claim", "kind", "scales", "paper", "quantity", "what is claimed"});
  for (const Claim& claim : system.claims) {
    claims.add({claim.name, kind_text(claim), scales_text(claim),
                claim.paper ? shortest(*claim.paper) : "", claim.quantity, claim.statement});
  }
  section("Claims of `tessera reproduce`", claims);
  section("Cases in " + resource_path("tests/cases/" + system.name),
          names_table(case_names(system)));
  Table procedures, workloads;
  for (const Procedure& procedure : system.procedures) {
    procedures.add({procedure.name, procedure.summary});
  }
  section("Procedures of cases", procedures);
  for (const Workload& workload : system.workloads) {
    workloads.add({workload.name, workload.summary});
  }
  section("Workloads of `tessera bench`", workloads);
  Table data;
  for (const DataSource& source : system.data) {
    data.add({system.name + "/" + source.name, source.licence, source.summary});
  }
  section("Data sets", data);
}

/// The sections that every recipe has.
int info_recipe(bool as_json) {
  train::TrainConfig train;
  train::RunConfig run;
  train::ExpectConfig expect;
  if (as_json) {
    put_json(Json{
        {"train", config_json(train)}, {"run", config_json(run)}, {"expect", config_json(expect)}});
    return 0;
  }
  line(
      "A recipe is a TOML file with `system = NAME` and the sections [model], [task] with `name`,");
  line("[train], [run] and [expect]; `info SYSTEM` lists the keys of the first two.");
  section("[train]", config_table(train));
  section("[run]", config_table(run));
  section("[expect]", config_table(expect));
  return 0;
}

}  // namespace

int info(const Arguments& arguments) {
  const std::string& name = arguments.positional().at(0);
  if (name == "recipe") return info_recipe(arguments.has("json"));
  const System& system = systems().at(name);
  if (arguments.has("json")) {
    put_json(to_json(system));
  } else {
    print(system);
  }
  return 0;
}

}  // namespace tessera::cli
