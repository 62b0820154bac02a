#include "cli/output.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "tessera/systems/system.h"

namespace tessera::cli {

int list(const Arguments& arguments) {
  const auto chosen = systems_matching(arguments.positional());
  if (arguments.has("json")) {
    Json rows = Json::array();
    for (const System* system : chosen) {
      rows.push_back({{"name", system->name},
                      {"kind", system->kind},
                      {"title", system->title},
                      {"paper", system->paper},
                      {"reference", system->reference},
                      {"recipes", train::recipe_names(system->name)}});
    }
    put_json(rows);
    return 0;
  }
  Table table({"system", "kind", "recipes", "claims", "title"});
  for (const System* system : chosen) {
    table.add({system->name, system->kind, std::to_string(train::recipe_names(system->name).size()),
               std::to_string(system->claims.size()), system->title});
  }
  put(table.text());
  return 0;
}

}  // namespace tessera::cli
