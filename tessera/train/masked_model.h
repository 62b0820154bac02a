#pragma once

#include <cstdint>
#include <memory>

#include "tessera/core/tensor_map.h"
#include "tessera/systems/model.h"
#include "tessera/train/recipe.h"

namespace tessera::train {

/// What is left of a model and of its graph: 1 where it is kept, 0 where it is pruned.
struct Masks {
  TensorMap weights = {};  ///< one mask for each parameter that may be pruned, of its shape
  at::Tensor edges = {};   ///< (edges) by edge_id; undefined: the graph is left alone
};

/// The name under which a model with pruned edges stores their mask.
inline constexpr const char* kEdgeMask = "edge_mask";

/// The model, with pruned weights at 0 after every update and pruned edges at weight 0. Parameters
/// and buffers have the names of the model's own; the edges' mask is one buffer more, kEdgeMask.
/// Throws InvalidArgument where edges are masked and the model does not take edge weights.
std::shared_ptr<Model> with_masks(std::shared_ptr<Model> model, const Masks& masks);

struct LearnedMaskOptions {
  double weight_l1 = 1e-4, edge_l1 = 1e-4;  ///< factors of Σ|mask|, of weights and of edges
  double noise = 1e-5;  ///< a mask begins at 1 + u, |u| ≤ noise, so that no two are equal
  uint64_t seed = 0;    ///< of the noise
};

/// The model with masks M that are trained with its weights (UGS): it computes with M1 ⊙ M2 ⊙ W,
/// M2 being `masks` and M1 a parameter, and weighs edges likewise. The penalty is added to the
/// gradient of M1, rate · sign(M1) once an update, not to the loss. W keeps its name, M1 is
/// <name>_mask and kEdgeMask. Throws as with_masks.
std::shared_ptr<Model> with_learned_masks(std::shared_ptr<Model> model, const Masks& masks,
                                          const LearnedMaskOptions& options);

/// The trained M1 among the weights of such a model, named as `masks` are.
Masks learned_masks(const TensorMap& weights, const Masks& masks);

/// The recipe's model with `weights`, in evaluation mode. Where these hold a mask of edges that the
/// model itself does not have, it keeps to it: the result of a search.
std::shared_ptr<Model> make_trained_model(const Recipe& recipe, const TensorMap& weights);

}  // namespace tessera::train
