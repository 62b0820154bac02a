#include <unistd.h>

#include "cli/output.h"
#include "cli/session.h"
#include "cli/verbs.h"
#include "tessera/train/evaluate.h"

namespace tessera::cli {

int eval(const Arguments& arguments) {
  const Trained trained = open_trained(arguments);
  const train::Recipe& recipe = trained.recipe;
  const Split split = split_of(arguments.get("split", "test"));
  const auto task = train::make_task(recipe, data_root(arguments));
  train::EvaluateOptions options = train::evaluate_options(recipe);
  options.batch_size = arguments.integer("batch-size", options.batch_size, 1);
  const Metrics metrics = train::evaluate(*trained.model, *task, split, options);
  if (arguments.has("json")) {
    Json values = Json::object();
    for (const auto& [name, value] : metrics) values[name] = value;
    put_json(Json{{"recipe", recipe.name},
                  {"split", name_of(split)},
                  {"examples", task->size(split)},
                  {"dtype", recipe.run.dtype},
                  {"metrics", values}});
    return 0;
  }
  line("{} on {} ({} examples, {}): {}", recipe.name, name_of(split), task->size(split),
       recipe.run.dtype, train::describe_metrics(metrics));
  return 0;
}

}  // namespace tessera::cli
