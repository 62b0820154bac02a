#include <unistd.h>

#include "cli/output.h"
#include "cli/session.h"
#include "cli/verbs.h"

namespace tessera::cli {

int eval(const Arguments& arguments) {
  const Trained trained = open_trained(arguments);
  const train::Recipe& recipe = trained.recipe;
  const Split split = split_of(arguments.get("split", "test"));
  const auto task = train::make_task(recipe, data_root(arguments));
  const int64_t usual =
      recipe.train.eval_batch_size > 0 ? recipe.train.eval_batch_size : recipe.train.batch_size;
  const Metrics metrics =
      train::evaluate(*trained.model, *task, split, arguments.integer("batch-size", usual, 1),
                      static_cast<uint64_t>(recipe.train.seed));
  if (arguments.has("json")) {
    Json values = Json::object();
    for (const auto& [name, value] : metrics) values[name] = value;
    put_json(Json{{"recipe", recipe.name},
                  {"split", name_of(split)},
                  {"examples", task->size(split)},
                  {"metrics", values}});
    return 0;
  }
  line("{} on {} ({} examples): {}", recipe.name, name_of(split), task->size(split),
       train::describe_metrics(metrics));
  return 0;
}

}  // namespace tessera::cli
