#include <unistd.h>

#include <ctime>
#include <filesystem>

#include "cli/output.h"
#include "cli/session.h"
#include "cli/verbs.h"
#include "tessera/core/error.h"
#include "tessera/core/threads.h"
#include "tessera/report/run_report.h"
#include "tessera/train/sparsify.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;

/// "runs/egnn-nbody-20210718-120000", with a number where that is taken.
std::string new_run_folder(const train::Recipe& recipe) {
  std::string name = recipe.name;
  std::replace(name.begin(), name.end(), '/', '-');
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char stamp[32];
  std::strftime(stamp, sizeof stamp, "%Y%m%d-%H%M%S", &local);
  const std::string base = "runs/" + name + "-" + stamp;
  std::string folder = base;
  for (int number = 2; fs::exists(folder); ++number) folder = base + "-" + std::to_string(number);
  return folder;
}

/// A round's own folder does not say what is pruned.
void refuse_round(const std::string& folder) {
  const fs::path search = (fs::path(folder) / "").parent_path().parent_path();
  if (!fs::exists(search / train::kSearchFile)) return;
  fail<InvalidArgument>({.where = "train",
                         .rule = "a round of a search goes on with its search",
                         .got = "--resume " + folder,
                         .next = "Give `tessera sparsify` its recipe, its options and --out " +
                                 (search.empty() ? "." : search.string()) + " again.",
                         .id = "T-CLI-22"});
}

}  // namespace

int train(const Arguments& arguments) {
  const bool is_resumed = arguments.has("resume");
  const bool has_recipe = !arguments.positional().empty();
  if (is_resumed == has_recipe) {
    fail<InvalidArgument>({.where = "train",
                           .rule = "takes either RECIPE or --resume RUN",
                           .got = has_recipe ? "both" : "neither",
                           .next = "Shipped recipes: tessera info SYSTEM.",
                           .id = "T-CLI-05"});
  }
  if (is_resumed && arguments.has("out")) {
    fail<InvalidArgument>({.where = "train",
                           .rule = "--resume goes on in its own folder",
                           .got = "--out " + arguments.get("out"),
                           .next = "Leave --out away.",
                           .id = "T-CLI-06"});
  }
  if (is_resumed) refuse_round(arguments.get("resume"));
  const std::vector<std::string> settings = recipe_settings(arguments);
  train::Recipe recipe = is_resumed ? train::load_run_recipe(arguments.get("resume"), settings)
                                    : train::load_recipe(arguments.positional().at(0), settings);
  train::TrainOptions options;
  options.resume = is_resumed;
  options.out = is_resumed ? arguments.get("resume") : arguments.get("out", "");
  if (options.out.empty()) options.out = new_run_folder(recipe);
  options.data_root = arguments.get("data");
  options.run_store = arguments.get("store");
  options.write_report = report::write_run_report;
  train::PhaseTimes times;
  if (arguments.has("profile")) options.times = &times;
  train::SilentObserver silent;
  train::TerminalObserver terminal(recipe.name);
  options.observer = &terminal;
  if (arguments.has("quiet")) options.observer = &silent;

  const TrainOutcome outcome = train::train(recipe, options);
  line("{}: {} steps in {}; test {}", options.out, outcome.steps,
       train::describe_seconds(outcome.seconds), train::describe_metrics(outcome.test));
  if (recipe.expect.value) {
    line("expected {} {}{}", recipe.expect.metric, *recipe.expect.value,
         recipe.expect.source.empty() ? "" : " (" + recipe.expect.source + ")");
  }
  if (arguments.has("profile")) line("{}", train::describe(times));
  return 0;
}

}  // namespace tessera::cli
