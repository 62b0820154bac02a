#include "cli/output.h"
#include "cli/session.h"
#include "cli/verbs.h"
#include "tessera/core/error.h"
#include "tessera/report/reproduce.h"

namespace tessera::cli {

int reproduce(const Arguments& arguments) {
  const auto chosen = systems_matching(arguments.positional());
  train::TerminalObserver terminal("");
  report::ReproduceOptions options;
  options.scale = scale_of(arguments.get("scale", "quick"));
  options.out = arguments.get("out", "report");
  options.data_root = data_root(arguments);
  options.settings = recipe_settings(arguments);
  if (!arguments.has("quiet")) options.observer = &terminal;
  const report::ReproduceResult result = report::reproduce(chosen, options);
  line("{}\n{}", result.results_path, result.report_path);
  if (result.interrupted) {
    fmt::print(stderr, "Interrupted. The same command goes on from here.\n");
    return 130;
  }
  return result.holds ? 0 : static_cast<int>(ExitCode::kDoesNotHold);
}

}  // namespace tessera::cli
