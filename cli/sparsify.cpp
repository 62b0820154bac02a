#include <algorithm>
#include <charconv>

#include "cli/output.h"
#include "cli/session.h"
#include "cli/verbs.h"
#include "tessera/core/error.h"
#include "tessera/train/sparsify.h"

namespace tessera::cli {
namespace {

double number(const Arguments& arguments, const std::string& option, double otherwise) {
  if (!arguments.has(option)) return otherwise;
  const std::string text = arguments.get(option);
  double value = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end) {
    fail<InvalidArgument>({.where = "sparsify",
                           .rule = "--" + option + " is a number",
                           .got = text,
                           .id = "T-SPARSE-03"});
  }
  return value;
}

/// One of kPruneByNames: the table of verbs refuses others.
train::PruneBy method(const Arguments& arguments) {
  const auto& names = train::kPruneByNames;
  const auto place = std::ranges::find(names, arguments.get("method", names[0]));
  return static_cast<train::PruneBy>(place - names.begin());
}

/// "       18   90.0 %"
std::string left(int64_t count, int64_t of) {
  return fmt::format("{:>10}  {:>5.1f} %", count,
                     100.0 * static_cast<double>(count) / static_cast<double>(of));
}

}  // namespace

int sparsify(const Arguments& arguments) {
  const std::vector<std::string> settings = recipe_settings(arguments);
  const std::string& name = arguments.positional().at(0);
  train::SilentObserver silent;
  train::TerminalObserver terminal(name);
  train::SparsifyOptions options{.by = method(arguments),
                                 .rounds = arguments.integer("rounds", 5, 0),
                                 .prune_rate = number(arguments, "rate", 0.2),
                                 .edge_prune_rate = number(arguments, "edge-rate", 0),
                                 .out = arguments.get("out", ""),
                                 .data_root = arguments.get("data"),
                                 .observer = &terminal};
  options.masks.weight_l1 = number(arguments, "l1", options.masks.weight_l1);
  options.masks.edge_l1 = number(arguments, "edge-l1", options.masks.edge_l1);
  if (arguments.has("quiet")) options.observer = &silent;
  const bool has_edges = options.edge_prune_rate > 0;
  bool is_first =
      true;  // the head comes with the first row: what is refused leaves no table behind
  train::sparsify(
      [&] { return train::load_recipe(name, settings); }, options,
      [&](const train::SparsifyRound& round) {
        if (is_first) {
          line("round  {}   weights     left  test", has_edges ? "     edges     left " : "");
        }
        is_first = false;
        line("{:>5}  {}{}  {}", round.round,
             has_edges ? left(round.edges_left, round.edges) + "  " : "",
             left(round.weights_left, round.weights), train::describe_metrics(round.test));
      });
  return 0;
}

}  // namespace tessera::cli
