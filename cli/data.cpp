#include <unistd.h>

#include <algorithm>

#include "cli/output.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/data/download.h"

namespace tessera::cli {
namespace {

struct DataSet {
  std::string name;  ///< "egnn/qm9"
  const DataSource* source;
};

/// The sets that names ("egnn", "egnn/qm9", with wildcards) mean; all where there are none.
std::vector<DataSet> chosen(const std::vector<std::string>& names) {
  std::vector<DataSet> all, some;
  std::vector<std::string> known;
  for (const System& system : systems().all()) {
    for (const DataSource& source : system.data) {
      all.push_back({system.name + "/" + source.name, &source});
      known.push_back(all.back().name);
    }
  }
  if (names.empty()) return all;
  for (const std::string& name : names) {
    const size_t before = some.size();
    for (const DataSet& set : all) {
      if (glob_match(name, set.name) || glob_match(name + "/*", set.name)) some.push_back(set);
    }
    if (some.size() == before) {
      fail<InvalidArgument>({.where = "data",
                             .rule = "unknown data set \"" + name + "\"",
                             .next = did_you_mean(name, known),
                             .id = "T-CLI-08"});
    }
  }
  return some;
}

std::string bytes_text(int64_t bytes) {
  if (bytes <= 0) return "size unknown";
  if (bytes < 1'000'000) return fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3);
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

const char* state_text(data::FileState state) {
  switch (state) {
    case data::FileState::kMissing:
      return "not here";
    case data::FileState::kPartial:
      return "partly here";
    case data::FileState::kPresent:
      return "here";
  }
  return "";
}

/// A line that is rewritten on a terminal; nothing elsewhere.
data::DownloadProgress progress_line(const std::string& name) {
  if (!isatty(STDERR_FILENO)) return {};
  return [name](int64_t done, int64_t total) {
    fmt::print(stderr, "\r\x1b[K{}  {}{}", name, bytes_text(done),
               total > 0 ? " of " + bytes_text(total) : "");
    std::fflush(stderr);
  };
}

}  // namespace

int data_list(const Arguments& arguments) {
  const std::string root = data_root(arguments);
  Json rows = Json::array();
  Table table({"data set", "file", "size", "state", "licence", "from"});
  for (const DataSet& set : chosen(arguments.positional())) {
    for (const data::RemoteFile& file : set.source->files) {
      const char* state = state_text(data::state_of(file, root));
      table.add(
          {set.name, file.path, bytes_text(file.bytes), state, set.source->licence, file.url});
      rows.push_back({{"set", set.name},
                      {"path", file.path},
                      {"url", file.url},
                      {"bytes", file.bytes > 0 ? Json(file.bytes) : Json(nullptr)},
                      {"sha256", file.sha256.empty() ? Json(nullptr) : Json(file.sha256)},
                      {"licence", set.source->licence},
                      {"summary", set.source->summary},
                      {"state", state}});
    }
  }
  if (arguments.has("json")) {
    put_json(rows);
  } else {
    line("{}", root);
    put(table.text(2));
  }
  return 0;
}

int data_get(const Arguments& arguments) {
  const std::string root = data_root(arguments);
  for (const DataSet& set : chosen(arguments.positional())) {
    for (const data::RemoteFile& file : set.source->files) {
      data::download(file, root, arguments.get("mirror"), progress_line(file.path));
      if (isatty(STDERR_FILENO)) fmt::print(stderr, "\r\x1b[K");
      line("{}/{}: here{}", root, file.path,
           file.sha256.empty() ? "; its SHA-256 was not known and is kept for later checks"
                               : ", SHA-256 as expected");
    }
  }
  return 0;
}

int data_check(const Arguments& arguments) {
  const std::string root = data_root(arguments);
  int code = 0, checked = 0;
  for (const DataSet& set : chosen(arguments.positional())) {
    for (const data::RemoteFile& file : set.source->files) {
      // Without names only what is here is checked: nobody has every data set.
      const bool is_here = data::state_of(file, root) == data::FileState::kPresent;
      if (arguments.positional().empty() && !is_here) continue;
      ++checked;
      try {
        const bool has_hash = data::check_file(file, root);
        line("ok    {}/{}{}", root, file.path, has_hash ? "" : " (no SHA-256 to compare with)");
      } catch (const Error& error) {
        fmt::print(stderr, "error: {}\n", error.what());
        code = std::max(code, static_cast<int>(error.exit_code()));
      }
    }
  }
  if (checked == 0) line("No data set is at {}. `tessera data get NAME` fetches one.", root);
  return code;
}

}  // namespace tessera::cli
