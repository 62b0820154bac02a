#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tessera/systems/claim.h"
#include "tessera/train/recipe.h"

namespace tessera::train {

/// Files of a run folder. checkpoints/step-N holds model.safetensors (the weights after N updates),
/// state.safetensors and state.json (everything else that going on needs).
struct RunFolder {
  std::string path;

  std::string config() const { return path + "/config.toml"; }
  std::string metrics() const { return path + "/metrics.jsonl"; }
  std::string environment() const { return path + "/environment.json"; }
  std::string report() const { return path + "/report.html"; }
  std::string checkpoints() const { return path + "/checkpoints"; }
};

/// One line of metrics.jsonl is one object:
///   {"event": "train", "step", "epoch", "loss", "lr", "seconds"}        mean loss since the last
///   {"event": "evaluation", "step", "epoch", "loss", "lr", "seconds", "valid": {…}, "test": {…},
///    "best": bool}                                     loss: mean since the last evaluation
/// A number that is not finite is null. `seconds` counts all sessions of the run.
class MetricsLog {
 public:
  /// Opens for appending, after dropping lines of steps beyond `last_step`, and a line that a kill
  /// has cut. Without a path nothing is written. Throws Io.
  MetricsLog(const std::string& path, int64_t last_step);

  /// Adds a line; it reaches the system at once and the disk with flush().
  void append(const Json& line);
  void flush();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
};

/// The whole lines of a metrics.jsonl, an unfinished last one left out; empty where there is no
/// file. Throws BadFile on a line that is not an object.
std::vector<Json> read_metrics(const std::string& path);

/// The evaluations among them.
std::vector<Evaluation> history_of(const std::vector<Json>& lines);

/// Metrics as an object, not finite values as null; and back (null: NaN).
Json to_json(const Metrics& metrics);
Metrics metrics_from(const Json& values);

/// What a training ran on: versions, processor, threads.
Json environment(const Recipe& recipe);

/// Now, UTC: "2021-07-18T12:00:00Z".
std::string timestamp();

}  // namespace tessera::train
