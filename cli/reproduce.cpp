#include "tessera/report/reproduce.h"

#include "cli/output.h"
#include "cli/session.h"
#include "cli/verbs.h"
#include "tessera/core/error.h"

namespace tessera::cli {

int reproduce(const Arguments& arguments) {
  report::ReproduceOptions options;
  options.claims = arguments.positional();
  options.scale = scale_of(arguments.get("scale", "quick"));
  options.out = arguments.get("out", "report");
  options.data_root = data_root(arguments);
  options.settings = recipe_settings(arguments);
  if (!arguments.has("quiet")) {
    options.rows = stderr;
    options.observer = [](const std::string& title) {
      return std::make_unique<train::TerminalObserver>(title);
    };
  }
  const report::ReproduceResult result = report::reproduce(systems_matching({}), options);
  put(report::table_text(result.rows));
  line("{}\n{}", result.results_path, result.report_path);
  return result.holds ? 0 : static_cast<int>(ExitCode::kDoesNotHold);
}

}  // namespace tessera::cli
