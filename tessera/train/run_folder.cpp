#include "tessera/train/run_folder.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/utsname.h>
#include <torch/version.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <limits>

#include "tessera/core/error.h"
#include "tessera/core/text.h"
#include "tessera/core/threads.h"
#include "tessera/core/version.h"
#include "tessera/io/file.h"

namespace tessera::train {
namespace {

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

}  // namespace

std::vector<Json> read_metrics(const std::string& path) {
  std::vector<Json> lines;
  if (!std::filesystem::exists(path)) return lines;
  const std::string text = io::read_text(path);
  for (size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    Json line = Json::parse(text.begin() + static_cast<std::ptrdiff_t>(begin),
                            text.begin() + static_cast<std::ptrdiff_t>(end), nullptr,
                            /*allow_exceptions=*/false);
    const bool is_whole =
        line.is_object() && line.contains("step") && line["step"].is_number_integer();
    if (!is_whole) {
      fail<BadFile>(
          {.where = "metrics",
           .rule = fmt::format("{}:{}: a line is an object with a step", path, lines.size() + 1),
           .got = text.substr(begin, std::min<size_t>(end - begin, 60)),
           .next = "Remove that line.",
           .id = "T-RUN-01"});
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

MetricsLog::MetricsLog(const std::string& path, int64_t last_step) : path_(path) {
  if (path.empty()) return;
  std::string kept;
  for (const Json& line : read_metrics(path)) {
    if (line.at("step").get<int64_t>() <= last_step) kept += line.dump() + "\n";
  }
  io::write_atomically(path, std::string_view(kept));
  file_.reset(std::fopen(path.c_str(), "ab"));
  if (!file_) {
    fail<Io>({.where = "metrics",
              .rule = "cannot open " + path,
              .got = std::strerror(errno),
              .id = "T-RUN-02"});
  }
}

void MetricsLog::append(const Json& line) {
  if (!file_) return;
  const std::string text = line.dump() + "\n";
  const bool is_written = std::fwrite(text.data(), 1, text.size(), file_.get()) == text.size() &&
                          std::fflush(file_.get()) == 0;
  if (!is_written) {
    fail<Io>({.where = "metrics",
              .rule = "cannot write " + path_,
              .got = std::strerror(errno),
              .next = "Free some space, then go on with --resume.",
              .id = "T-RUN-03"});
  }
}

void MetricsLog::flush() {
  if (file_) ::fsync(::fileno(file_.get()));
}

std::vector<Evaluation> history_of(const std::vector<Json>& lines) {
  std::vector<Evaluation> history;
  for (const Json& line : lines) {
    if (line.value("event", "") != "evaluation") continue;
    const Metrics loss = metrics_from({{"loss", line.at("loss")}});
    history.push_back({.step = line.at("step").get<int64_t>(),
                       .epoch = line.at("epoch").get<double>(),
                       .train_loss = loss.front().second,
                       .valid = metrics_from(line.value("valid", Json::object())),
                       .test = metrics_from(line.value("test", Json::object()))});
  }
  return history;
}

Json to_json(const Metrics& metrics) {
  Json values = Json::object();
  for (const auto& [name, value] : metrics) values[name] = number(value);
  return values;
}

Metrics metrics_from(const Json& values) {
  Metrics metrics;
  for (const auto& [name, value] : values.items()) {
    metrics.emplace_back(
        name, value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>());
  }
  return metrics;
}

Json environment(const Recipe& recipe) {
  struct utsname system = {};
  ::uname(&system);
  return {{"tessera", kVersion},
          {"torch", TORCH_VERSION},
          {"compiler", __VERSION__},
          {"processor", processor_name()},
          {"instruction_set", cpu_capability()},
          {"cores", ::sysconf(_SC_NPROCESSORS_ONLN)},
          {"threads", threads()},
          {"device", recipe.run.device},
          {"dtype", recipe.run.dtype},
          {"system", fmt::format("{} {} {}", system.sysname, system.release, system.machine)},
          {"host", system.nodename},
          {"started", timestamp()}};
}

std::string timestamp() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

}  // namespace tessera::train
