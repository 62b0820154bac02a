#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>

#include "tessera/systems/claim.h"
#include "tessera/train/observer.h"
#include "tessera/train/recipe.h"

namespace tessera::train {

/// Where the time of the steps went, in seconds; `other` is what the loop itself costs. Evaluations
/// and checkpoints are not steps. On CUDA these are the times of launching.
struct PhaseTimes {
  double data = 0, forward = 0, backward = 0, optimizer = 0, other = 0;
  int64_t steps = 0;

  double total() const { return data + forward + backward + optimizer + other; }
};
/// "1000 steps, 9.1 ms each: data 1.2 %, forward 31.0 %, …"
std::string describe(const PhaseTimes& times);

struct TrainOptions {
  std::string out;        ///< run folder; empty: nothing is written
  bool resume = false;    ///< go on from the last checkpoint in `out`; from 0 where there is none
  std::string data_root;  ///< empty: the user's
  Observer* observer = nullptr;
  int64_t stop_after = 0;       ///< > 0: checkpoint and throw Interrupted after so many steps
  std::string run_store;        ///< SQLite file; empty: the user's; "none": no record
  PhaseTimes* times = nullptr;  ///< filled where given
  /// Writes the run's report, given its folder; called at the end.
  std::function<void(const std::string& run_folder)> write_report;
};

/// Thrown by train() after SIGINT, SIGTERM or stop_after, when the checkpoint is on the disk. Not
/// an Error: nothing went wrong. The command line prints what() and exits with 128 + signal().
class Interrupted final : public std::exception {
 public:
  Interrupted(int signal, std::string message) : signal_(signal), message_(std::move(message)) {}
  const char* what() const noexcept override { return message_.c_str(); }
  int signal() const { return signal_; }  ///< 0: stop_after

 private:
  int signal_;
  std::string message_;
};

/// Trains a recipe: updates, evaluations, checkpoints, records. The same recipe at the same thread
/// count gives the same bits, interrupted and resumed or not.
/// Throws InvalidArgument (a folder that holds a run already; a recipe that is not the resumed
/// run's; a loss that is not finite), BadFile (damaged checkpoint), Io, Interrupted.
TrainOutcome train(const Recipe& recipe, const TrainOptions& options = {});

/// The model of a run folder with the weights that scored best on the validation split (those of
/// the last checkpoint where nothing was evaluated), in evaluation mode.
std::shared_ptr<Model> load_run_model(const Recipe& recipe, const std::string& run_folder);

/// The recipe of a run folder (its config.toml). Throws BadFile where there is none.
Recipe load_run_recipe(const std::string& run_folder,
                       const std::vector<std::string>& settings = {});

}  // namespace tessera::train
