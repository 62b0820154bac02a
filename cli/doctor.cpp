#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <sys/sysinfo.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "cli/output.h"
#include "cli/session.h"
#include "cli/table.h"
#include "cli/verbs.h"
#include "tessera/core/paths.h"
#include "tessera/core/text.h"
#include "tessera/core/threads.h"
#include "tessera/core/version.h"
#include "tessera/train/run_store.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;

/// The value of the first line "key : value" of /proc/cpuinfo.
std::string processor_entry(std::string_view key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string text; std::getline(file, text);) {
    const size_t colon = text.find(':');
    if (colon == std::string::npos || !text.starts_with(key)) continue;
    return colon + 2 <= text.size() ? text.substr(colon + 2) : "";
  }
  return "unknown";
}

std::string instruction_sets() {
  const std::vector<std::string> flags = split(processor_entry("flags"), ' ');
  std::vector<std::string> present;
  for (const char* wanted : {"avx2", "fma", "f16c", "avx512f", "avx512dq", "avx512bw", "avx512vl",
                             "avx512_vnni", "avx512_bf16", "amx_tile"}) {
    if (std::find(flags.begin(), flags.end(), wanted) != flags.end()) present.push_back(wanted);
  }
  return present.empty() ? "none that Tessera uses" : join(present, " ");
}

std::string memory_text() {
  struct sysinfo memory {};
  if (sysinfo(&memory) != 0) return "unknown";
  const double gib = static_cast<double>(memory.mem_unit) / (1 << 30);
  return fmt::format("{:.1f} GiB, {:.1f} GiB free", static_cast<double>(memory.totalram) * gib,
                     static_cast<double>(memory.freeram + memory.bufferram) * gib);
}

std::string gpu_text() {
  if (!at::hasCUDA()) {
    return fs::exists("/dev/nvidiactl") ? "present, but this torch cannot use it" : "none";
  }
  return fmt::format("{} that torch can use", at::getNumGPUs());
}

/// What is missing and what to do about it.
std::vector<std::string> advice(const std::string& data) {
  std::vector<std::string> lines;
  if (cpu_capability() == "DEFAULT") {
    lines.push_back("This processor lacks AVX2: everything works, slowly.");
  }
  if (fs::exists("/dev/nvidiactl") && !at::hasCUDA()) {
    lines.push_back(
        "There is a GPU, but torch was built without CUDA: build Tessera with a CUDA "
        "build of torch to use it.");
  }
  if (train::recipe_names().empty()) {
    lines.push_back("No recipes found in " + resource_path("recipes") +
                    ": the installation is incomplete.");
  }
  if (!fs::exists(resource_path("share/plot/plotly.min.js"))) {
    lines.push_back(
        "The plotting library was not fetched at build time (npm): report.html has "
        "still pictures only.");
  }
  if (!fs::exists(data)) {
    lines.push_back("No data folder yet; `tessera data list` says what there is to get.");
  }
  return lines;
}

}  // namespace

int doctor(const Arguments& arguments) {
  use_threads(arguments);
  const std::string data = data_root(arguments);
  const std::vector<std::pair<std::string, std::string>> facts = {
      {"tessera", kVersion},
      {"torch", TESSERA_TORCH_VERSION},
      {"compiler", "g++ " __VERSION__},
      {"processor", processor_entry("model name")},
      {"instruction sets", instruction_sets()},
      {"kernels run with", cpu_capability()},
      {"cores", std::to_string(std::thread::hardware_concurrency())},
      {"threads in use", std::to_string(threads())},
      {"memory", memory_text()},
      {"GPUs", gpu_text()},
      {"systems", join(systems().names(), ", ")},
      {"recipes", fmt::format("{} in {}", train::recipe_names().size(), resource_path("recipes"))},
      {"data", data + (fs::exists(data) ? "" : " (not there yet)")},
      {"store of runs", train::default_run_store()},
  };
  const std::vector<std::string> notes = advice(data);
  if (arguments.has("json")) {
    Json out = Json::object();
    for (const auto& [name, value] : facts) out[name] = value;
    out["advice"] = notes;
    put_json(out);
    return 0;
  }
  Table table;
  for (const auto& [name, value] : facts) table.add({name, value});
  put(table.text());
  if (notes.empty()) line("\nNothing is missing.");
  if (!notes.empty()) put("\n");
  for (const std::string& note : notes) line("- {}", note);
  return 0;
}

}  // namespace tessera::cli
