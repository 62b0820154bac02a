#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "tessera/core/json.h"

namespace tessera::bench {

struct BenchOptions {
  std::vector<std::string> patterns;  ///< "egnn", "egnn/nbody", "*/n*"; empty: everything
  std::string peers;                  ///< folder with the peers' checkouts; empty: only ours run
  std::string peer_scripts;           ///< folder with their scripts; empty: bench/peers
  std::string python;                 ///< interpreter for them
  int threads = 1;
  int rounds = 3;    ///< turns of ours and of each peer, after one that warms up files and caches
  int repeats = 20;  ///< timed calls within a turn
};

/// Times the chosen workloads and their peers in turn, each turn in a process of its own (so that
/// peak memory is its own), prints a table and returns the rows: one with impl "tessera" for each
/// workload, one for each peer. Medians over the rounds, with quartiles, the peer's time over ours,
/// and the share of the machine's measured limits.
/// Throws InvalidArgument (a pattern without a match), Io (a script that cannot be started). A peer
/// that fails becomes a row with `error`.
Json run_bench(const BenchOptions& options, std::ostream& out);

/// Times one workload in this process and prints its line: what a turn of ours executes.
void run_worker(const std::string& workload, int threads, int repeats, std::ostream& out);

}  // namespace tessera::bench
