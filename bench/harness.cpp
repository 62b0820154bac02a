#include "bench/harness.h"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <ostream>

#include "bench/limits.h"
#include "bench/worker.h"
#include "tessera/core/error.h"
#include "tessera/core/paths.h"
#include "tessera/core/text.h"
#include "tessera/core/threads.h"
#include "tessera/systems/system.h"

namespace tessera::bench {
namespace {

namespace fs = std::filesystem;

struct Target {
  const System* system;
  const Workload* workload;
};

std::vector<Target> chosen(const std::vector<std::string>& patterns) {
  std::vector<Target> targets;
  std::vector<std::string> names;
  for (const System& system : systems().all()) {
    for (const Workload& workload : system.workloads) {
      const std::string name = system.name + "/" + workload.name;
      names.push_back(name);
      const auto matches = [&](const std::string& pattern) { return entry_match(pattern, name); };
      if (patterns.empty() || std::any_of(patterns.begin(), patterns.end(), matches)) {
        targets.push_back({&system, &workload});
      }
    }
  }
  if (targets.empty()) {
    fail<InvalidArgument>({.where = "bench",
                           .rule = "no workload matches " + join(patterns, " "),
                           .next = did_you_mean(patterns.empty() ? "" : patterns.front(), names),
                           .id = "T-BENCH-01"});
  }
  return targets;
}

/// Runs a program and returns the last line of its standard output; empty where it fails.
std::string last_line_of(const std::vector<std::string>& command, const std::string& peers) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) {
    fail<Io>({.where = "bench", .rule = "a pipe can be made", .id = "T-BENCH-02"});
  }
  std::vector<char*> arguments;
  for (const std::string& part : command) arguments.push_back(const_cast<char*>(part.c_str()));
  arguments.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    if (!peers.empty()) setenv("PEERS_DIR", peers.c_str(), 1);
    execvp(arguments[0], arguments.data());
    _exit(127);
  }
  close(ends[1]);
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t n; (n = read(ends[0], buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<size_t>(n));
  }
  close(ends[0]);
  int status = 0;
  if (child > 0) waitpid(child, &status, 0);
  if (child < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) return "";
  const std::vector<std::string> lines = split(text, '\n');
  const auto last = std::find_if(lines.rbegin(), lines.rend(),
                                 [](const std::string& line) { return !line.empty(); });
  return last == lines.rend() ? "" : *last;
}

/// Between a workload and its variant in a worker's argument.
constexpr char kVariantMark = '@';

struct Quartiles {
  double low, median, high;
};

Quartiles quartiles(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double q) {
    const double place = q * static_cast<double>(values.size() - 1);
    const auto below = static_cast<size_t>(place);
    const size_t above = std::min(below + 1, values.size() - 1);
    return values[below] + (place - static_cast<double>(below)) * (values[above] - values[below]);
  };
  return {at(0.25), at(0.5), at(0.75)};
}

/// One implementation of a workload and what its turns have said so far.
struct Runner {
  std::vector<std::string> command;
  Json first;  ///< its first line: names and versions
  std::string error;
  std::vector<double> forward, step, memory;

  void take_turn(const std::string& peers) {
    const std::string line = last_line_of(command, peers);
    const Json row = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!row.is_object()) {
      error = "the script failed or printed no JSON line";
      return;
    }
    if (first.is_null()) first = row;
    const auto note = [&](const char* key, std::vector<double>& into) {
      if (row.contains(key) && row[key].is_number()) into.push_back(row[key].get<double>());
    };
    note("forward_ms", forward);
    note("train_step_ms", step);
    note("peak_rss_mb", memory);
  }

  Json row() const {
    Json row = first.is_object() ? first : Json::object();
    const auto put = [&](const std::string& key, const std::vector<double>& values) {
      row[key] = nullptr;
      if (values.empty()) return;
      const Quartiles q = quartiles(values);
      row[key] = q.median;
      row[key + "_quartiles"] = {q.low, q.high};
    };
    put("forward_ms", forward);
    put("train_step_ms", step);
    if (!memory.empty()) row["peak_rss_mb"] = *std::max_element(memory.begin(), memory.end());
    row["rounds"] = forward.size();
    if (!error.empty()) row["error"] = error;
    return row;
  }
};

std::vector<Runner> runners_of(const Target& target, const BenchOptions& options) {
  const std::string threads = std::to_string(options.threads);
  const std::string repeats = std::to_string(options.repeats);
  const std::string name = target.system->name + "/" + target.workload->name;
  std::vector<Runner> runners;
  const auto add_ours = [&](const std::string& worker) {
    runners.emplace_back().command = {fs::read_symlink("/proc/self/exe").string(),
                                      "bench",
                                      "--worker",
                                      worker,
                                      "--threads",
                                      threads,
                                      "--repeats",
                                      repeats};
  };
  add_ours(name);
  for (const WorkloadVariant& variant : target.workload->variants) {
    add_ours(name + kVariantMark + variant.name);
  }
  if (options.peers.empty() || target.workload->peer_script.empty()) return runners;
  const std::string folder =
      options.peer_scripts.empty() ? resource_path("bench/peers") : options.peer_scripts;
  const fs::path script = fs::path(folder) / target.workload->peer_script;
  if (!fs::exists(script)) {
    fail<Io>({.where = "bench",
              .rule = "the peer's script " + script.string() + " exists",
              .next = "Give the folder of the scripts with --peer-scripts.",
              .id = "T-BENCH-03"});
  }
  for (const auto& extra : target.workload->peer_arguments) {
    Runner peer;
    peer.command = {options.python, script.string()};
    peer.command.insert(peer.command.end(), extra.begin(), extra.end());
    peer.command.insert(peer.command.end(), {"--threads", threads, "--repeats", repeats});
    runners.push_back(std::move(peer));
  }
  return runners;
}

void add_shares(Json& row, const Workload& workload, const Limits& limits) {
  row["gemm_gflops_peak"] = limits.gemm_gflops;
  row["stream_gbs_peak"] = limits.stream_gbs;
  const auto share = [&](const char* time, double flops, const char* key) {
    if (flops > 0 && row[time].is_number()) {
      row[key] = flops / (row[time].get<double>() * 1e6) / limits.gemm_gflops;
    }
  };
  const auto moved = [&](const char* time, double bytes, const char* key) {
    if (bytes > 0 && row[time].is_number()) {
      row[key] = bytes / (row[time].get<double>() * 1e6) / limits.stream_gbs;
    }
  };
  moved("forward_ms", workload.forward_bytes, "forward_share_of_stream");
  moved("train_step_ms", workload.train_step_bytes, "train_step_share_of_stream");
  share("forward_ms", workload.forward_flops, "forward_share_of_gemm_peak");
  share("train_step_ms", workload.train_step_flops, "train_step_share_of_gemm_peak");
}

void add_ratios(Json& ours, const Json& peer) {
  const auto ratio = [&](const char* time) -> Json {
    if (!ours[time].is_number() || !peer[time].is_number()) return nullptr;
    return peer[time].get<double>() / ours[time].get<double>();
  };
  ours["ratio_to"][peer.value("impl", "peer")] = {{"forward", ratio("forward_ms")},
                                                  {"train_step", ratio("train_step_ms")}};
}

std::string cell(const Json& value, const char* form) {
  return value.is_number() ? fmt::format(fmt::runtime(form), value.get<double>()) : "–";
}

std::string table_line(const std::string& name, const Json& row, const Json& ours) {
  const auto quartile_text = [&](const char* key) {
    const std::string quartile_key = std::string(key) + "_quartiles";
    if (!row.contains(quartile_key)) return std::string();
    return fmt::format(" [{:.2f}, {:.2f}]", row[quartile_key][0].get<double>(),
                       row[quartile_key][1].get<double>());
  };
  const auto ratio = [&](const char* key) -> std::string {
    if (&row == &ours || !row[key].is_number() || !ours[key].is_number()) return "";
    return fmt::format("{:.2f}×", row[key].get<double>() / ours[key].get<double>());
  };
  const auto share = [&](const char* key) -> std::string {
    return row.contains(key) ? fmt::format("{:.0f} %", 100 * row[key].get<double>()) : "";
  };
  std::string remarks;
  for (const char* what : {"forward", "train_step"}) {
    const std::string moves = share((std::string(what) + "_share_of_stream").c_str());
    if (!moves.empty()) remarks += fmt::format("  {} of stream ({})", moves, what);
  }
  for (const char* key : {"accuracy", "remark"}) {
    if (row.contains(key)) remarks += "  " + row[key].get<std::string>();
  }
  return fmt::format(
      "{:<16} {:<16} {:>9}{:<18} {:>7} {:>6}  {:>9}{:<20} {:>7} {:>6}  {:>8}{}\n", name,
      row.value("impl", "?"), cell(row["forward_ms"], "{:.2f}"), quartile_text("forward_ms"),
      ratio("forward_ms"), share("forward_share_of_gemm_peak"),
      cell(row["train_step_ms"], "{:.2f}"), quartile_text("train_step_ms"), ratio("train_step_ms"),
      share("train_step_share_of_gemm_peak"),
      row.contains("peak_rss_mb") ? cell(row["peak_rss_mb"], "{:.0f}") : "–", remarks);
}

}  // namespace

Json run_bench(const BenchOptions& options, std::ostream& out) {
  const std::vector<Target> targets = chosen(options.patterns);
  set_threads(options.threads);
  const Limits limits = measure_limits();
  out << fmt::format(
      "{} thread(s), {}; limits measured now: {:.1f} GFLOP/s (float32 product), {:.1f} GB/s "
      "(stream)\n{} rounds of {} repeats each; median [quartiles over rounds]; × is the peer's "
      "time "
      "over ours\n\n",
      options.threads, cpu_capability(), limits.gemm_gflops, limits.stream_gbs, options.rounds,
      options.repeats);
  out << fmt::format("{:<16} {:<16} {:>27} {:>7} {:>6}  {:>29} {:>7} {:>6}  {:>8}\n", "workload",
                     "implementation", "forward ms", "", "peak", "train step ms", "", "peak",
                     "RSS MiB");
  Json rows = Json::array();
  for (const Target& target : targets) {
    std::vector<Runner> runners = runners_of(target, options);
    for (int round = 0; round < options.rounds; ++round) {
      for (Runner& runner : runners) {
        if (runner.error.empty()) runner.take_turn(options.peers);
      }
    }
    Json ours = runners[0].row();
    add_shares(ours, *target.workload, limits);
    std::vector<Json> peers;
    for (size_t i = 1; i < runners.size(); ++i) {
      Json peer = runners[i].row();
      if (!peer.contains("impl")) peer["impl"] = "peer " + std::to_string(i);
      peer["system"] = target.system->name;
      peer["workload"] = target.workload->name;
      peer["threads"] = options.threads;
      add_ratios(ours, peer);
      peers.push_back(std::move(peer));
    }
    const std::string name = target.system->name + "/" + target.workload->name;
    out << table_line(name, ours, ours);
    for (const Json& peer : peers) out << table_line("", peer, ours);
    out.flush();
    rows.push_back(std::move(ours));
    for (Json& peer : peers) rows.push_back(std::move(peer));
  }
  return rows;
}

void run_worker(const std::string& workload, int threads, int repeats, std::ostream& out) {
  const size_t mark = workload.find(kVariantMark);
  const Target target = chosen({workload.substr(0, mark)}).front();
  const WorkloadVariant* variant = nullptr;
  for (const WorkloadVariant& known : target.workload->variants) {
    if (mark != std::string::npos && known.name == workload.substr(mark + 1)) variant = &known;
  }
  if (mark != std::string::npos && variant == nullptr) {
    fail<InvalidArgument>({.where = "bench",
                           .rule = "the workload has this variant",
                           .got = workload,
                           .id = "T-BENCH-04"});
  }
  set_threads(threads);
  out << time_workload(*target.system, *target.workload, variant, repeats).dump() << std::endl;
}

}  // namespace tessera::bench
