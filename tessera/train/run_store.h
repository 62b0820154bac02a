#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tessera/core/json.h"

struct sqlite3;

namespace tessera::train {

/// One training as the store remembers it.
struct RunRecord {
  int64_t id = 0;
  std::string folder;  ///< absolute
  std::string recipe, system;
  std::string status;            ///< "running", "interrupted", "failed", "finished"
  std::string started, updated;  ///< UTC, "2021-07-18T12:00:00Z"
  int64_t steps = 0;
  double seconds = 0;
  Json metrics = Json::object();  ///< final test metrics
};

/// What differs between two runs: configuration keys and metrics.
struct RunDifference {
  std::string key, a, b;
};

/// The local store of runs: one SQLite file, one row for each run folder. Several processes may
/// write to it.
class RunStore {
 public:
  /// Opens or creates. Throws Io where it cannot be, BadFile where it is something else.
  explicit RunStore(const std::string& path);
  ~RunStore();
  RunStore(const RunStore&) = delete;
  RunStore& operator=(const RunStore&) = delete;

  /// Inserts the record, or replaces the one of the same folder; returns its id.
  int64_t put(const RunRecord& record);
  /// Newest first; of one system where it is given.
  std::vector<RunRecord> list(const std::string& system = "") const;
  /// By id ("12") or by folder. Throws InvalidArgument where there is none.
  RunRecord at(const std::string& id_or_folder) const;
  bool erase(int64_t id);

 private:
  std::vector<RunRecord> select(const std::string& where, const std::string& value) const;
  sqlite3* db_ = nullptr;
};

/// The user's store: <state root>/runs.sqlite.
std::string default_run_store();

/// Keys of config.toml and metrics that differ, in order of their keys.
std::vector<RunDifference> compare_runs(const RunRecord& a, const RunRecord& b);

}  // namespace tessera::train
