#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tessera/core/json.h"
#include "tessera/systems/model.h"
#include "tessera/systems/task.h"

namespace tessera {

enum class Scale { kQuick, kCpu, kPaper };
const char* name_of(Scale scale);  ///< "quick", "cpu", "paper"
Scale scale_of(std::string_view name);

/// One row of a training's history: an evaluation.
struct Evaluation {
  int64_t step = 0;
  double epoch = 0;
  double train_loss = 0;  ///< mean since the last evaluation
  Metrics valid, test;    ///< test is empty where it was not evaluated
};

/// A finished (or resumed and finished) training.
struct TrainOutcome {
  Metrics test;  ///< at the best validation value
  std::vector<Evaluation> history;
  std::shared_ptr<Model> model;  ///< with the best model's weights, in evaluation mode
  std::shared_ptr<Task> task;
  int64_t steps = 0;
  double seconds = 0;
  int64_t seed = 0;
};

/// The value of a metric by name; throws Internal where there is none.
double metric(const Metrics& metrics, std::string_view name);

/// What a claim can do. Implemented by the reproduction driver, which trains for it, shows progress
/// and reuses a training that another claim of the same reproduction has asked for already.
class Lab {
 public:
  virtual ~Lab() = default;
  virtual Scale scale() const = 0;
  /// Trains a recipe ("egnn/nbody") with `settings` ("train.lr=0.001") on top, or goes on with it.
  virtual TrainOutcome train(const std::string& recipe,
                             const std::vector<std::string>& settings) = 0;
  /// The test metrics of a model that needs no training.
  virtual Metrics evaluate(Model& model, const Task& task, Split split) = 0;
  /// A line of progress for long work outside train().
  virtual void progress(const std::string& what, double fraction) = 0;
};

/// A picture of the report, neutral of the plotting library.
struct Figure {
  std::string title, caption;
  /// {"kind": "lines"|"scatter"|"bars"|"lines3d"|"heatmap", "x": {"label","log"}, "y": {...}, "z",
  ///  "series": [{"name", "x": [...], "y": [...], "z": [...], "dash": bool, "markers": bool,
  ///  "error": [...], "group": str}]}
  Json plot;
};

struct ClaimResult {
  double ours = 0;
  std::optional<double> baseline;
  bool holds = false;
  std::string detail;  ///< one sentence: the rule that was applied and the values seen
  std::vector<int64_t> seeds;
  std::vector<Figure> figures;
};

/// One row of `reproduce`. A gate that fails sets the exit code; a finding says what came out here.
struct Claim {
  enum class Kind { kGate, kFinding };

  std::string name;       ///< "nbody_order"
  std::string statement;  ///< what is claimed, in one line
  Kind kind = Kind::kGate;
  std::string quantity;  ///< what `ours` is, with its unit: "test MSE"
  std::optional<double> paper;
  std::string paper_source;  ///< "Table 2"
  std::vector<Scale> scales;
  std::function<ClaimResult(Lab&)> run;
};

}  // namespace tessera
