#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tessera/train/recipe.h"
#include "tessera/train/trainer.h"

namespace tessera::train {

/// A search for lottery tickets among the weights of any model: train, prune the smallest weights
/// of all matrices by one threshold, go back to the first weights, repeat.
struct SparsifyOptions {
  int64_t rounds = 5;
  double prune_rate = 0.2;  ///< share of the remaining weights that a round prunes
  std::string out;          ///< folder of the rounds' run folders, round-0 …; empty: none
  std::string data_root;
  std::string run_store = "none";
  Observer* observer = nullptr;
};

/// A training with what was left of the weights. Round 0 trains all of them.
struct SparsifyRound {
  int64_t round = 0;
  int64_t weights = 0, left = 0;  ///< entries of matrices (two axes or more)
  Metrics test;
};

/// `load` gives the recipe anew for each round. The same seed draws the same first weights, so that
/// a round starts from them bit for bit; pruned weights are 0 after every update. Rounds that are
/// in `out` already are read instead of trained.
/// Throws InvalidArgument (rate outside (0, 1), a model without matrices) and what train() throws.
std::vector<SparsifyRound> sparsify(const std::function<Recipe()>& load,
                                    const SparsifyOptions& options,
                                    const std::function<void(const SparsifyRound&)>& done = {});

/// The weights that a model keeps when the smallest of all matrices go, by one threshold: masks of
/// 0 and 1 for each parameter of two axes or more. Entries that `masks` prunes already stay so.
TensorMap prune_smallest(const TensorMap& weights, const TensorMap& masks, double rate);

}  // namespace tessera::train
