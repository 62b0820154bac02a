#include "bench/harness.h"

#include <filesystem>
#include <iostream>

#include "cli/output.h"
#include "cli/verbs.h"
#include "tessera/core/error.h"
#include "tessera/io/file.h"

namespace tessera::cli {

int bench(const Arguments& arguments) {
  const int threads = static_cast<int>(arguments.integer("threads", 1, 1));
  if (arguments.has("worker")) {
    bench::run_worker(arguments.get("worker"), threads,
                      static_cast<int>(arguments.integer("repeats", 20, 1)), std::cout);
    return 0;
  }
  bench::BenchOptions options;
  options.patterns = arguments.positional();
  options.peers = arguments.get("peers");
  if (arguments.has("peers") && !std::filesystem::is_directory(options.peers)) {
    fail<InvalidArgument>({.where = "bench",
                           .rule = "--peers is the folder of the peers' checkouts",
                           .got = "no folder at \"" + options.peers + "\"",
                           .next = "bench/peers/README.md says what lies there.",
                           .id = "T-CLI-21"});
  }
  options.peer_scripts = arguments.get("peer-scripts");
  options.python = arguments.get("python", TESSERA_PYTHON);
  options.threads = threads;
  options.rounds = static_cast<int>(arguments.integer("rounds", options.rounds, 1));
  options.repeats = static_cast<int>(arguments.integer("repeats", options.repeats, 1));
  const Json rows = bench::run_bench(options, std::cout);
  if (arguments.has("json")) io::write_atomically(arguments.get("json"), rows.dump(2) + "\n");
  return 0;
}

}  // namespace tessera::cli
