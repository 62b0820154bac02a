#include "tessera/report/reproduce.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <set>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/io/file.h"
#include "tessera/io/folder_lock.h"
#include "tessera/report/report.h"
#include "tessera/train/trainer.h"

namespace tessera::report {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Job {
  const System* system;
  const Claim* claim;

  std::string name() const { return system->name + "/" + claim->name; }
};

/// The claims that a pattern names, at whatever scale.
std::vector<Job> matching(const std::vector<Job>& jobs, const std::string& pattern) {
  const bool names_claims = pattern.find('/') != std::string::npos;
  std::vector<Job> found;
  std::vector<std::string> names;  // of what the pattern may have meant
  for (const Job& job : jobs) {
    const std::string name = names_claims ? job.name() : job.system->name;
    if (names.empty() || names.back() != name) names.push_back(name);
    if (entry_match(pattern, job.name())) found.push_back(job);
  }
  if (found.empty()) {
    fail<InvalidArgument>({.where = "reproduce",
                           .rule = "no claim matches " + pattern,
                           .next = did_you_mean(pattern, names),
                           .id = "T-REP-04"});
  }
  return found;
}

std::vector<Job> jobs_of(std::span<const System* const> systems, const ReproduceOptions& options) {
  std::vector<Job> all;
  for (const System* system : systems) {
    for (const Claim& claim : system->claims) all.push_back({system, &claim});
  }
  std::set<const Claim*> asked;
  for (const std::string& pattern : options.claims) {
    for (const Job& job : matching(all, pattern)) asked.insert(job.claim);
  }
  std::vector<Job> jobs;
  for (const Job& job : all) {
    const bool is_asked = options.claims.empty() || asked.contains(job.claim);
    if (is_asked && std::ranges::count(job.claim->scales, options.scale) > 0) jobs.push_back(job);
  }
  if (jobs.empty()) {
    fail<InvalidArgument>({.where = "reproduce",
                           .rule = "at least one of the claims has the scale",
                           .got = std::string("none at ") + name_of(options.scale),
                           .next = "`tessera info SYSTEM` lists the claims and their scales.",
                           .id = "T-REP-02"});
  }
  return jobs;
}

void print(std::FILE* stream, const std::string& text) {
  if (!stream) return;
  std::fputs(text.c_str(), stream);
  std::fflush(stream);
}

std::string today() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm date{};
  localtime_r(&now, &date);
  return fmt::format("{:%Y-%m-%d}", date);
}

void write_results(const ReproduceResult& result, const ReproduceOptions& options, double seconds,
                   bool complete) {
  io::write_atomically(result.results_path, results_json(result.rows).dump(2) + "\n");
  io::write_atomically(result.report_path,
                       html_report(result.rows, {.scale = options.scale,
                                                 .date = today(),
                                                 .seconds = seconds,
                                                 .complete = complete,
                                                 .environment = environment()}));
}

}  // namespace

ReproduceResult reproduce(std::span<const System* const> systems, const ReproduceOptions& options) {
  const std::vector<Job> jobs = jobs_of(systems, options);
  size_t width = 0;
  for (const Job& job : jobs) width = std::max(width, job.name().size());

  const fs::path out = options.out;
  if (std::error_code error; !fs::create_directories(out, error) && error) {
    fail<Io>({.where = "reproduce",
              .rule = "the folder " + out.string() + " can be made",
              .got = error.message(),
              .next = "Check the path, its permissions and the free space.",
              .id = "T-REP-03"});
  }
  const io::FolderLock lock(out.string());
  ReproduceResult result;
  result.results_path = (out / "results.json").string();
  result.report_path = (out / "report.html").string();

  LabOptions lab_options;
  lab_options.scale = options.scale;
  lab_options.runs = (out / "runs").string();
  lab_options.data_root = options.data_root;
  lab_options.settings = options.settings;
  lab_options.observer = options.observer;
  TrainingLab lab(std::move(lab_options));

  double seconds = 0;
  print(options.rows, table_head(width));
  for (const Job& job : jobs) {
    lab.set_title(fmt::format("{}/{} {}", result.rows.size() + 1, jobs.size(), job.name()));
    const auto start = Clock::now();
    ReportRow row{.system = job.system->name, .claim = *job.claim};
    try {
      row.result = job.claim->run(lab);
    } catch (const train::Interrupted& stop) {
      throw train::Interrupted(
          stop.signal(), fmt::format("Interrupted in {}. The same command with --out {} goes on "
                                     "from there.",
                                     job.name(), out.string()));
    }
    row.seconds = seconds_since(start) + lab.take_earlier_seconds();
    seconds += row.seconds;
    print(options.rows, table_line(row, width));
    result.rows.push_back(std::move(row));
    write_results(result, options, seconds, result.rows.size() == jobs.size());
  }
  result.holds = gates_hold(result.rows);
  return result;
}

}  // namespace tessera::report
