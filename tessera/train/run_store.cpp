#include "tessera/train/run_store.h"

#include <sqlite3.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "tessera/core/config.h"
#include "tessera/core/error.h"
#include "tessera/core/paths.h"

namespace tessera::train {
namespace {

// Another training may be writing its row: a row takes milliseconds, a second means trouble.
constexpr int kBusyTimeout_ms = 2000;

constexpr const char* kSchema =
    "CREATE TABLE IF NOT EXISTS runs ("
    " id INTEGER PRIMARY KEY, folder TEXT NOT NULL UNIQUE, recipe TEXT NOT NULL,"
    " system TEXT NOT NULL, status TEXT NOT NULL, started TEXT NOT NULL, updated TEXT NOT NULL,"
    " steps INTEGER NOT NULL, seconds REAL NOT NULL, metrics TEXT NOT NULL)";

constexpr const char* kColumns =
    "id, folder, recipe, system, status, started, updated, steps, seconds, metrics";

[[noreturn]] void refuse(sqlite3* db, const std::string& what) {
  const int code = sqlite3_errcode(db);
  const std::string got = sqlite3_errmsg(db);
  if (code == SQLITE_NOTADB || code == SQLITE_CORRUPT) {
    fail<BadFile>({.where = "runs",
                   .rule = what,
                   .got = got,
                   .next = "Remove the file.",
                   .id = "T-STORE-01"});
  }
  fail<Io>({.where = "runs", .rule = what, .got = got, .id = "T-STORE-02"});
}

/// A prepared statement with its parameters.
class Statement {
 public:
  Statement(sqlite3* db, const std::string& sql) : db_(db) {
    if (sqlite3_prepare_v2(db, sql.c_str(), -1, &statement_, nullptr) != SQLITE_OK) {
      refuse(db, "the store of runs can be read");
    }
  }
  ~Statement() { sqlite3_finalize(statement_); }
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(const std::string& text) {
    sqlite3_bind_text(statement_, ++bound_, text.c_str(), -1, SQLITE_TRANSIENT);
    return *this;
  }
  Statement& bind(int64_t value) {
    sqlite3_bind_int64(statement_, ++bound_, value);
    return *this;
  }
  Statement& bind(double value) {
    sqlite3_bind_double(statement_, ++bound_, value);
    return *this;
  }
  /// True while there is a row.
  bool step() {
    const int code = sqlite3_step(statement_);
    if (code != SQLITE_ROW && code != SQLITE_DONE) refuse(db_, "the store of runs can be used");
    return code == SQLITE_ROW;
  }
  std::string text(int column) const {
    const auto* bytes = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return bytes ? bytes : "";
  }
  int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
  double real(int column) const { return sqlite3_column_double(statement_, column); }

 private:
  sqlite3* db_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
};

/// "train.lr" → "0.001" for every key of a run's configuration and metrics.
std::map<std::string, std::string> facts_of(const RunRecord& record) {
  std::map<std::string, std::string> facts;
  const auto add = [&](const auto& self, const std::string& path, const Json& value) -> void {
    if (!value.is_object()) {
      facts[path] = value.is_string() ? value.get<std::string>() : value.dump();
      return;
    }
    for (const auto& [key, item] : value.items()) {
      self(self, path.empty() ? key : path + "." + key, item);
    }
  };
  const std::string config = record.folder + "/config.toml";
  if (std::filesystem::exists(config)) add(add, "", read_toml_file(config).values);
  add(add, "metrics", record.metrics);
  facts["steps"] = std::to_string(record.steps);
  facts["status"] = record.status;
  return facts;
}

}  // namespace

RunStore::RunStore(const std::string& path) {
  std::error_code ignored;  // sqlite says what is wrong with the folder
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  const bool is_open = sqlite3_open_v2(path.c_str(), &db_, flags, nullptr) == SQLITE_OK;
  if (is_open) sqlite3_busy_timeout(db_, kBusyTimeout_ms);
  if (!is_open || sqlite3_exec(db_, kSchema, nullptr, nullptr, nullptr) != SQLITE_OK) {
    try {
      refuse(db_, "cannot open the store of runs " + path);
    } catch (...) {
      sqlite3_close(db_);
      throw;
    }
  }
}

RunStore::~RunStore() { sqlite3_close(db_); }

int64_t RunStore::put(const RunRecord& r) {
  Statement insert(
      db_,
      "INSERT INTO runs(folder, recipe, system, status, started, updated, steps, seconds,"
      " metrics) VALUES(?,?,?,?,?,?,?,?,?) ON CONFLICT(folder) DO UPDATE SET"
      " recipe=excluded.recipe, system=excluded.system, status=excluded.status,"
      " started=excluded.started, updated=excluded.updated, steps=excluded.steps,"
      " seconds=excluded.seconds, metrics=excluded.metrics RETURNING id");
  insert.bind(r.folder).bind(r.recipe).bind(r.system).bind(r.status).bind(r.started);
  insert.bind(r.updated).bind(r.steps).bind(r.seconds).bind(r.metrics.dump());
  insert.step();
  const int64_t id = insert.integer(0);
  insert.step();
  return id;
}

std::vector<RunRecord> RunStore::select(const std::string& where, const std::string& value) const {
  Statement query(db_, std::string("SELECT ") + kColumns + " FROM runs WHERE " + where +
                           " ORDER BY started DESC, id DESC");
  query.bind(value);
  std::vector<RunRecord> records;
  while (query.step()) {
    records.push_back({.id = query.integer(0),
                       .folder = query.text(1),
                       .recipe = query.text(2),
                       .system = query.text(3),
                       .status = query.text(4),
                       .started = query.text(5),
                       .updated = query.text(6),
                       .steps = query.integer(7),
                       .seconds = query.real(8),
                       .metrics = Json::parse(query.text(9), nullptr, false)});
  }
  return records;
}

std::vector<RunRecord> RunStore::list(const std::string& system) const {
  return select(system.empty() ? "?1 = ''" : "system = ?1", system);
}

RunRecord RunStore::at(const std::string& id_or_folder) const {
  const bool is_id =
      !id_or_folder.empty() && std::all_of(id_or_folder.begin(), id_or_folder.end(), ::isdigit);
  const std::string value =
      is_id ? id_or_folder : std::filesystem::weakly_canonical(id_or_folder).string();
  const auto found = select(is_id ? "id = CAST(?1 AS INTEGER)" : "folder = ?1", value);
  if (found.empty()) {
    fail<InvalidArgument>({.where = "runs",
                           .rule = "no run \"" + id_or_folder + "\" in the store",
                           .next = "`tessera runs list` shows their numbers and folders.",
                           .id = "T-STORE-03"});
  }
  return found.front();
}

bool RunStore::erase(int64_t id) {
  Statement remove(db_, "DELETE FROM runs WHERE id = ?");
  remove.bind(id).step();
  return sqlite3_changes(db_) > 0;
}

std::string default_run_store() { return default_state_root() + "/runs.sqlite"; }

std::vector<RunDifference> compare_runs(const RunRecord& a, const RunRecord& b) {
  const auto facts_a = facts_of(a), facts_b = facts_of(b);
  auto all = facts_a;
  all.insert(facts_b.begin(), facts_b.end());
  const auto value_in = [](const auto& facts, const std::string& key) {
    const auto it = facts.find(key);
    return it == facts.end() ? std::string("–") : it->second;
  };
  std::vector<RunDifference> differences;
  for (const auto& [key, value] : all) {
    RunDifference row{key, value_in(facts_a, key), value_in(facts_b, key)};
    if (row.a != row.b) differences.push_back(std::move(row));
  }
  return differences;
}

}  // namespace tessera::train
