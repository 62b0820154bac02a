#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tessera/train/masked_model.h"
#include "tessera/train/recipe.h"
#include "tessera/train/trainer.h"

namespace tessera::train {

/// What decides which weights and edges a round prunes.
enum class PruneBy {
  kMagnitude,    ///< the trained weights themselves; edges have no magnitude
  kLearnedMask,  ///< masks trained with the weights under an L1 penalty (UGS)
  kRandom,       ///< chance, from the whole set in every round: the baseline
};
/// Their names, in that order: "magnitude", "ugs", "random".
inline constexpr std::array<const char*, 3> kPruneByNames = {"magnitude", "ugs", "random"};

/// The file that says what a search's folder is: its options.
inline constexpr const char* kSearchFile = "sparsify.toml";

/// A search for lottery tickets among the weights of any model, and among the edges of a graph
/// network on a task whose examples share them. Round 0 trains everything. Then each round
///   1. trains masks with the first weights (kLearnedMask alone), as long as the recipe says;
///   2. prunes the smallest of what is left, weights by one threshold and edges by another;
///   3. goes back to the first weights and trains what is left.
struct SparsifyOptions {
  PruneBy by = PruneBy::kMagnitude;
  int64_t rounds = 5;
  double prune_rate = 0.2;        ///< share of the remaining weights that a round prunes; 0: none
  double edge_prune_rate = 0;     ///< … of the remaining edges
  LearnedMaskOptions masks = {};  ///< its seed is the recipe's
  std::string out;  ///< folder of kSearchFile and run folders, round-0 …, masks-1 …; empty: none
  std::string data_root;
  std::string run_store = "none";
  Observer* observer = nullptr;
};

/// A training with what was left.
struct SparsifyRound {
  int64_t round = 0;
  int64_t weights = 0, weights_left = 0;  ///< entries of matrices (two axes or more)
  int64_t edges = 0, edges_left = 0;      ///< 0 where the graph is left alone
  Metrics test;
};

/// `load` gives the recipe anew for each training. The same seed draws the same first weights, so
/// that every round starts from them bit for bit; pruned weights are 0 after every update. Rounds
/// that are in `out` already are read instead of trained; those of other options are refused.
/// Throws InvalidArgument (rates outside [0, 1) or both 0, a model without matrices or edge
/// weights, a task whose examples share no edges, nothing left to prune) and what train() throws.
std::vector<SparsifyRound> sparsify(const std::function<Recipe()>& load,
                                    const SparsifyOptions& options,
                                    const std::function<void(const SparsifyRound&)>& done = {});

/// The masks without the `gone` smallest |values| of the entries that they keep, by one threshold:
/// more go where others are equal to it. Throws InvalidArgument where nothing would be left.
TensorMap prune_smallest(const TensorMap& values, const TensorMap& masks, int64_t gone);

}  // namespace tessera::train
