#pragma once

#include "tessera/systems/claim.h"

namespace tessera::zoo_tuning {

/// A zoo of related sources and a target with few labels.
struct TransferPlan {
  std::string source_recipe, target_recipe;
  /// Beside the first source, which every other one starts from: its settings.
  std::vector<std::vector<std::string>> descendants;
  std::vector<double> rates;  ///< learning rates that each method may choose from
  std::vector<int64_t> seeds;
};

/// Trains the zoo and every method of the comparison on the target. Each method takes the learning
/// rate, and the best single source, that its own validation accuracy chooses; what is reported is
/// test accuracy there, as a mean over the seeds.
ClaimResult compare_transfer(Lab& lab, const TransferPlan& plan);

/// Writes the best weights of a training where other trainings can read them; returns the path,
/// which is the same for the same weights.
std::string keep_weights(const TrainOutcome& outcome);

}  // namespace tessera::zoo_tuning
