#include <charconv>

#include "cli/output.h"
#include "cli/session.h"
#include "cli/verbs.h"
#include "tessera/core/error.h"
#include "tessera/train/sparsify.h"

namespace tessera::cli {
namespace {

double rate_of(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, value);
  if (result.ec != std::errc() || result.ptr != end) {
    fail<InvalidArgument>(
        {.where = "sparsify", .rule = "--rate is a number", .got = text, .id = "T-SPARSE-03"});
  }
  return value;
}

}  // namespace

int sparsify(const Arguments& arguments) {
  const std::vector<std::string> settings = recipe_settings(arguments);
  const std::string& name = arguments.positional().at(0);
  train::SilentObserver silent;
  train::TerminalObserver terminal(name);
  train::SparsifyOptions options{.rounds = arguments.integer("rounds", 5, 0),
                                 .prune_rate = rate_of(arguments.get("rate", "0.2")),
                                 .out = arguments.get("out", ""),
                                 .data_root = arguments.get("data"),
                                 .observer = &terminal};
  if (arguments.has("quiet")) options.observer = &silent;
  train::load_recipe(name, settings);  // refused before the table begins
  line("{:>5}  {:>10}  {:>7}  test", "round", "weights", "left");
  train::sparsify(
      [&] { return train::load_recipe(name, settings); }, options,
      [](const train::SparsifyRound& round) {
        line("{:>5}  {:>10}  {:>5.1f} %  {}", round.round, round.left,
             100.0 * static_cast<double>(round.left) / static_cast<double>(round.weights),
             train::describe_metrics(round.test));
      });
  return 0;
}

}  // namespace tessera::cli
